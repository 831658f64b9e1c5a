import csv

from load_tester.record import Outcome
from load_tester.report.csv_tables import write_images, write_seconds
from load_tester.run import Mode, Run
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import HOSTILE, make_asked, make_run


def read_images(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(b"".join(write_images(run)).decode().splitlines(keepends=True)))


def test_every_second_has_a_row() -> None:
    lines = b"".join(write_seconds(make_run())).decode().splitlines()
    assert lines[:3] == [
        "at_s,target,due,sent,completed,failed",
        "0,10,10,10,8,2",
        "1,10,10,10,10,0",
    ]
    assert len(lines) == 21


def test_a_closed_loop_has_no_target() -> None:
    run = make_run(asked=make_asked(mode=Mode.CLOSED))
    lines = b"".join(write_seconds(run)).decode().splitlines()
    assert lines[1] == "0,,10,10,8,2"


def test_every_image_has_a_row_with_its_steps_and_its_true_label() -> None:
    rows = read_images(make_run())
    assert len(rows) == 200
    assert rows[0]["file"] == "drum.jpg"
    assert rows[0]["true_label"] == "drum"
    assert rows[0]["step resize"] == "0.01"
    assert float(rows[0]["end_to_end_s"]) == 0.5901
    failed = rows[3]
    assert (failed["outcome"], failed["reason"], failed["seen_s"]) == ("failed", "http_500", "")


def test_a_hostile_name_stays_one_cell_and_is_no_formula() -> None:
    records = (
        make_record(0, file=HOSTILE),
        make_record(1, file='=HYPERLINK("http://x","y")'),
        make_record(2, Outcome.WRONG, top_label="a,b\n+c", reason="-1"),
    )
    first, second, third = read_images(make_run(records=records))
    assert first["file"] == HOSTILE
    assert second["file"] == '\'=HYPERLINK("http://x","y")'
    assert (third["top_label"], third["reason"]) == ("a,b\n+c", "'-1")


def test_numbers_below_zero_stay_numbers() -> None:
    (row,) = read_images(make_run(records=(make_record(0, sent_s=-0.5),)))
    assert row["lateness_s"] == "-0.5"


def test_a_name_that_would_drive_the_terminal_or_is_no_text_is_spelt_out() -> None:
    (row,) = read_images(make_run(records=(make_record(0, file="\x1b[2Jred\ud800.jpg"),)))
    assert row["file"] == "\\x1b[2Jred\\ud800.jpg"
