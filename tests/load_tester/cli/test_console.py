import asyncio
import io
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from load_tester.cli import console
from load_tester.cli.console import render_run
from load_tester.errors import ExitCode
from load_tester.figures.objectives import check_objectives
from load_tester.figures.summary import summarize
from load_tester.figures.verdict import judge
from load_tester.record import Outcome
from load_tester.report.raw import RAW_FILE, write_raw
from load_tester.run import Run
from tests.load_tester.cli.running_script import SCRIPT
from tests.load_tester.records import make_record, make_run


def text_of(run: Run, *, out: Path | None = None) -> str:
    return render_run(summarize(run), judge(run), check_objectives(run), out=out)


def drums(count: int, **changes: Any) -> Run:
    records = [make_record(n, top_label="drum") for n in range(count)]
    return make_run(*records, labels={"drum.jpg": "drum"}, **changes)


def test_a_percentile_with_too_few_samples_is_not_told() -> None:
    few, enough = text_of(drums(89)), text_of(drums(90))
    assert few.count("n/a") > enough.count("n/a")
    assert "1250.00       n/a       n/a   1250.00   of 90" in enough


def test_the_sums_are_written_out() -> None:
    text = text_of(drums(3))
    assert "scheduled         3 = 3 sent + 0 not sent" in text
    assert (
        "sent              3 = 3 ok + 0 refused + 0 failed + 0 timed out + 0 wrong + 0 abandoned"
        in text
    )
    assert "top-1 accuracy    100.00 % (3 of 3 labelled)" in text


def test_counts_that_differ_are_told_loudly() -> None:
    assert "COUNTS DIFFER     scheduled 4 is not 3 + 0" in text_of(drums(3, planned=(1, 1, 2)))


def test_a_run_without_any_result_is_still_summed_up() -> None:
    failed = make_record(0, Outcome.FAILED, reason="http_500")
    text = text_of(make_run(failed, interrupted=True))
    assert "Load test interrupted" in text
    assert "1 x failed:http_500" in text
    assert "throughput        n/a" in text
    assert "accuracy" not in text


def test_the_verdict_its_reasons_and_the_objectives_are_told() -> None:
    text = text_of(drums(100, objectives=("p95<2s", "wrong==1")))
    assert "objective         p95<2s: met, it was 1250.00 ms" in text
    assert "objective         wrong==1: missed, it was 0" in text
    verdict = text[text.index("verdict") :].splitlines()
    assert verdict[0] == "verdict           invalid"
    assert "100 of 100 sends were more than 62 ms late" in verdict[1]
    assert len(verdict) > 1


def test_a_warm_up_is_told_with_its_length_and_the_place_of_the_report() -> None:
    text = text_of(drums(100, warm_up_s=10.0), out=Path("reports/1"))
    assert "warm-up           10 s, 10 images left out of the figures" in text
    assert "report            reports/1" in text


def test_a_stranger_s_text_neither_drives_the_terminal_nor_adds_lines() -> None:
    failed = make_record(0, Outcome.FAILED, reason="\x1b[2Jgone\nverdict valid\ud800")
    text = text_of(make_run(failed), out=Path("\x1b]0;title\x07\udcff"))
    assert "1 x failed:\\x1b[2Jgone\\nverdict valid\\ud800\n" in text
    assert "report            \\x1b]0;title\\x07\\udcff\n" in text
    text.encode()


def test_a_terminal_that_knows_only_ascii_is_told_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="ascii", newline="\n")
    monkeypatch.setattr("sys.stdout", stdout)
    console.write_out("ünï\x1b[2J\ud800\n")
    assert written.getvalue() == b"\\xfcn\\xef\\x1b[2J\\ud800\n"


def test_errors_and_log_lines_are_one_line_each_whatever_they_tell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.start_logging()
    logging.getLogger(console.LOGGER).warning("[%s] does not answer", "a\nb\x1b[2J")
    console.write_error("no such folder: \x1b[31mred\udcff\nred")
    logged, told = capsys.readouterr().err.splitlines()
    assert logged.endswith(" - WARNING - [a\\nb\\x1b[2J] does not answer")
    assert told == "load_tester: no such folder: \\x1b[31mred\\udcff red"


async def test_a_summary_that_nobody_reads_is_told_in_one_line(tmp_path: Path) -> None:
    write_raw(drums(100), tmp_path / RAW_FILE)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SCRIPT), "compare", str(tmp_path), str(tmp_path)),
            stdout=writing,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(writing)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == ExitCode.CANNOT_RUN
    assert err.decode().splitlines() == ["load_tester: cannot write the summary: Broken pipe"]
