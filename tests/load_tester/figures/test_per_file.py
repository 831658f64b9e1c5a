import pytest

from load_tester.figures.per_file import measure_files
from load_tester.record import Outcome
from load_tester.run import Picture
from tests.load_tester.records import make_record
from tests.load_tester.report.sample_run import make_asked, make_run


def test_the_slowest_file_comes_first_and_one_without_a_result_last() -> None:
    records = (
        make_record(0, file="quick.jpg", seen_s=0.5),
        make_record(1, file="lost.jpg", outcome=Outcome.FAILED),
        make_record(2, file="slow.jpg", seen_s=9.0),
        make_record(3, file="slow.jpg", seen_s=4.0),
    )
    pictures = {"slow.jpg": Picture(size_bytes=1000, width=20, height=10)}
    table = measure_files(make_run(records=records, pictures=pictures))
    assert [row.file for row in table.rows] == ["slow.jpg", "quick.jpg", "lost.jpg"]
    slow, quick, lost = table.rows
    assert (slow.images, slow.ok, slow.max_s) == (2, 2, 7.0)
    assert slow.mean_s == pytest.approx(4.0)
    assert (slow.size_bytes, slow.width, slow.height) == (1000, 20, 10)
    assert (quick.size_bytes, quick.p50_s) == (None, None)
    assert (lost.images, lost.ok, lost.mean_s) == (1, 0, None)


def test_at_most_three_hundred_are_listed_of_all() -> None:
    records = tuple(make_record(index, file=f"{index}.jpg") for index in range(400))
    table = measure_files(make_run(records=records))
    assert (table.files, len(table.rows)) == (400, 300)


def test_the_warm_up_is_left_out() -> None:
    records = (make_record(0), make_record(5))
    table = measure_files(make_run(records=records, asked=make_asked(warm_up_s=5.0)))
    assert [row.images for row in table.rows] == [1]
