from dispatcher.results.shared_batches import due

MADE = [("2:a", 10.0), ("3:b", 20.0), ("4:c", 30.0)]


def test_nothing_is_due_while_all_files_have_room() -> None:
    assert due(MADE, oldest=0.0, most_files=9) == []


def test_the_oldest_beyond_the_files_are_due() -> None:
    assert due(MADE, oldest=0.0, most_files=8) == ["2:a"]
    assert due(MADE, oldest=0.0, most_files=6) == ["2:a", "3:b"]


def test_the_newest_stays_whatever_it_has() -> None:
    assert due(MADE, oldest=0.0, most_files=1) == ["2:a", "3:b"]


def test_what_is_too_old_is_due_at_any_count() -> None:
    assert due(MADE, oldest=25.0, most_files=100) == ["2:a", "3:b"]
    assert due(MADE, oldest=99.0, most_files=100) == ["2:a", "3:b", "4:c"]


def test_of_nothing_nothing_is_due() -> None:
    assert due([], oldest=0.0, most_files=0) == []
