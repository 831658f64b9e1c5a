import pytest
from hypothesis import given
from hypothesis import strategies as st

from step_app.contract.frames import BatchItem, decode_batch, encode_batch, pack_frame, split_frame
from step_app.contract.trace_context import TraceContext, begun_by, read_trace

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
VALID = f"00-{TRACE_ID}-{SPAN_ID}-01"
JOB_ID = "0c9f8a51-5f0e-4b5e-9d64-3d8f6f1b2a77"


def test_a_valid_header_is_read_and_written_as_it_came() -> None:
    trace = read_trace(VALID, "vendor=1,other@system=a b")
    assert trace == TraceContext(TRACE_ID, SPAN_ID, 1, "vendor=1,other@system=a b")
    assert trace.is_sampled
    assert trace.headers() == {"traceparent": VALID, "tracestate": "vendor=1,other@system=a b"}


@pytest.mark.parametrize(
    ("flags", "is_sampled", "written"),
    [("00", False, "00"), ("01", True, "01"), ("03", True, "03"), ("ff", True, "03")],
)
def test_flags_that_nobody_has_defined_are_not_passed_on(
    flags: str, is_sampled: bool, written: str
) -> None:
    trace = read_trace(VALID[:-2] + flags)
    assert trace is not None
    assert trace.is_sampled is is_sampled
    assert trace.traceparent == VALID[:-2] + written


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        VALID.upper(),
        VALID[:-1],
        VALID + " ",
        "\t" + VALID,
        VALID + "\n",
        VALID + "-more",
        "ff" + VALID[2:],
        "0" + VALID,
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID[:-1]}g-{SPAN_ID}-01",
        f"01-{TRACE_ID}-{SPAN_ID}-01more",
        "01" + VALID[2:] + "-" + "x" * 600,
        None,
        7,
        ["00"],
    ],
)
def test_what_is_no_valid_header_is_none_at_all(header: object) -> None:
    assert read_trace(header, "vendor=1") is None


def test_a_later_version_may_say_more() -> None:
    assert read_trace(f"cc-{TRACE_ID}-{SPAN_ID}-01-what.comes") == TraceContext(
        TRACE_ID, SPAN_ID, 1
    )


@pytest.mark.parametrize(
    "state",
    [
        "x" * 513,
        ",".join(f"k{n}=1" for n in range(33)),
        "vendor",
        "Vendor=1",
        "vendor=1,vendor=2",
        "vendor=a=b",
        "vendor=\x1b[2J",
        "vendor=1\r\nx: y",
        "vendor=ä",
        "a@b@c=1",
        None,
        {"vendor": 1},
    ],
)
def test_a_state_that_is_not_valid_costs_nothing_but_itself(state: object) -> None:
    assert read_trace(VALID, state) == TraceContext(TRACE_ID, SPAN_ID, 1, "")


def test_empty_members_of_a_state_are_left_out() -> None:
    trace = read_trace(VALID, "a=1, ,\tb=2,")
    assert trace is not None
    assert trace.state == "a=1,b=2"


@given(st.text(), st.text())
def test_no_text_breaks_it_or_gets_into_a_header(parent: str, state: str) -> None:
    for trace in (read_trace(parent, state), read_trace(VALID, state)):
        if trace is not None:
            assert all(
                value.isascii() and value.isprintable() for value in trace.headers().values()
            )


def test_a_job_that_came_without_a_trace_begins_its_own() -> None:
    trace = begun_by(JOB_ID)
    assert trace is not None
    assert trace == begun_by(JOB_ID)
    assert trace.trace_id == JOB_ID.replace("-", "")
    assert not trace.is_sampled
    assert read_trace(trace.traceparent) == trace


@pytest.mark.parametrize("name", ["job-1", "", "0" * 32, "a" * 16 + "0" * 16, "g" * 32])
def test_what_is_no_uuid_begins_none(name: str) -> None:
    assert begun_by(name) is None


def items(*traces: TraceContext | None) -> list[BatchItem]:
    return [BatchItem(str(n), "k.png", b"k", trace=trace) for n, trace in enumerate(traces)]


def test_every_item_of_a_batch_has_its_own_trace() -> None:
    sent = items(read_trace(VALID, "a=1"), None, begun_by(JOB_ID))
    assert decode_batch(b"".join(encode_batch(sent))) == sent


@pytest.mark.parametrize("nonsense", [None, 7, "x", [], {"a": 1}, "00-" + "0" * 60])
def test_an_item_with_a_trace_that_is_none_is_an_item_all_the_same(nonsense: object) -> None:
    header, payloads = split_frame(b"".join(encode_batch(items(None))))
    header["items"][0] |= {"traceparent": nonsense, "tracestate": nonsense}
    frame = pack_frame(header) + b"".join(payloads)
    assert decode_batch(frame) == items(None)


def test_who_knows_no_traces_sees_the_frame_as_before() -> None:
    header, _ = split_frame(b"".join(encode_batch(items(None))))
    assert not {"traceparent", "tracestate"} & set(header["items"][0])
