"""Which model revision a step has where its record does not say it."""

from collections.abc import Mapping

from dispatcher.topology.revisions import RevisionBook
from tests.dispatcher.topology.test_configmap import make_record

SILENT = make_record("0", model_revision="")


def revision_after(book: RevisionBook, reported: Mapping[str, set[str]]) -> str:
    (record,) = book.completed([SILENT], lambda step: reported.get(step, set()))
    return record.model_revision


def test_what_a_record_says_counts() -> None:
    record = make_record("0", model_revision="r1")
    assert RevisionBook().completed([record], lambda _: {"r2"}) == [record]


def test_else_it_is_what_replicas_report_once_one_does() -> None:
    book = RevisionBook()
    assert revision_after(book, {}) == ""
    assert revision_after(book, {"default/0": {""}}) == ""
    assert revision_after(book, {"other/0": {"r1"}}) == ""
    assert revision_after(book, {"default/0": {"r1"}}) == "r1"


def test_it_outlives_the_replicas_that_reported_it() -> None:
    book = RevisionBook()
    revision_after(book, {"default/0": {"r1"}})
    assert revision_after(book, {}) == "r1"


def test_during_a_roll_out_the_older_one_counts_as_long_as_it_is_there() -> None:
    book = RevisionBook()
    revision_after(book, {"default/0": {"r5"}})
    assert revision_after(book, {"default/0": {"r5", "r2", "r9"}}) == "r5"
    assert revision_after(book, {"default/0": {"r2", "r9"}}) == "r2"


def test_a_step_that_went_is_forgotten() -> None:
    book = RevisionBook()
    revision_after(book, {"default/0": {"r1"}})
    book.completed([], lambda _: set())
    assert revision_after(book, {}) == ""
