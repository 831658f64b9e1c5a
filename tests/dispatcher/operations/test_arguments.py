from pathlib import Path

import pytest

from dispatcher.operations.arguments import API_KEY_VARIABLE, read_api_key, read_arguments
from dispatcher.operations.target import OperationError


def test_flags_of_the_service_say_which_queue_is_meant(tmp_path: Path) -> None:
    given, choice = read_arguments(
        ["purge", "--lane", "thumbs", "--yes", "--queue", "memory", "--data-dir", str(tmp_path)]
    )
    assert (given.verb, given.lane, given.failed, given.yes) == ("purge", "thumbs", False, True)
    assert (choice.settings.queue, choice.settings.data_dir) == ("memory", tmp_path)
    assert (choice.url, choice.api_key) == (None, None)


def test_the_environment_says_so_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_QUEUE", "memory")
    assert read_arguments(["status"])[1].settings.queue == "memory"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["empty"],
        ["status", "--nothing"],
        ["monitor", "--interval", "0"],
        ["monitor", "--interval", "nan"],
        ["requeue", "--limit", "0"],
        ["purge", "--la", "thumbs"],
    ],
    ids=" ".join,
)
def test_what_is_not_known_is_a_mistake_of_use(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_arguments(argv)
    assert caught.value.code == 2


def test_a_key_is_read_from_the_environment_or_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_api_key(None) is None
    monkeypatch.setenv(API_KEY_VARIABLE, " cvy_live_1\n")
    assert read_api_key(None) == "cvy_live_1"
    path = tmp_path / "key"
    path.write_text("cvy_live_2\n")
    assert read_api_key(path) == "cvy_live_2"


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff", "ключ".encode(), b"x" * 1000])
def test_what_is_no_key_is_not_sent_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(OperationError) as caught:
        read_api_key(path)
    assert str(path) in str(caught.value)
    assert "words" not in str(caught.value)
