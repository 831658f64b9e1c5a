import argparse
from pathlib import Path

import pytest

from load_tester.cli.target_arguments import (
    API_KEY_VARIABLE,
    add_target_arguments,
    read_checks,
    read_targets,
)
from load_tester.errors import UsageError
from load_tester.settings import TargetKind, TargetSettings


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)


def read(*arguments: str) -> TargetSettings:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_target_arguments(parser)
    return read_targets(parser.parse_args(arguments))


def test_without_flags_the_settings_are_the_defaults() -> None:
    assert read() == TargetSettings()


def test_every_flag_is_read() -> None:
    asked = "--url http://a/ --url https://b:1 --pipeline p --no-cache --multipart --check labels"
    settings = read(*asked.split(), "--params", '{"blur": {}}', "--write-golden", "g.json")
    assert settings == TargetSettings(
        urls=("http://a", "https://b:1"),
        pipeline="p",
        params='{"blur": {}}',
        use_cache=False,
        multipart=True,
        checks=("labels",),
        write_golden=Path("g.json"),
    )
    assert read("--target", "replica").kind is TargetKind.REPLICA


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--url ftp://a", "not an http:// or https:// URL"),
        ("--url http://a --url http://a/", "a --url is there twice"),
        ("--params {", "--params is not JSON"),
        ("--params [1]", "--params is not a JSON object"),
        ("--target replica --pipeline p", "--pipeline is for a dispatcher"),
        ("--target replica --params {}", "--params is for a dispatcher"),
        ("--target replica --no-cache", "--no-cache is for a dispatcher"),
        ("--discover --url http://a", "--url and --discover exclude each other"),
        ("--discover --no-cache", "--no-cache is for a dispatcher"),
        ("--namespace n", "--namespace needs --discover"),
        ("--node-host h", "--node-host needs --discover"),
        ("--api-key-file /nowhere/key", "cannot read the API key from /nowhere/key: No such file"),
    ],
)
def test_what_cannot_be_is_one_clear_line(arguments: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read(*arguments.split())


def test_the_key_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("of-file\n")
    monkeypatch.setenv(API_KEY_VARIABLE, " of-environment ")
    assert read().api_key == "of-environment"
    assert read("--api-key-file", str(file)).api_key == "of-file"


@pytest.mark.parametrize("content", ["", "two words", "schlüssel", "a\x7fb", "k" * 5000])
def test_a_key_that_is_none_is_refused_and_not_repeated(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(UsageError, match="does not hold an API key") as caught:
        read("--api-key-file", str(file))
    assert not content or content not in str(caught.value)


def test_the_key_is_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, "s3cret")
    assert "s3cret" not in repr(read())


def test_discovery_is_asked_for_replicas_in_the_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    def discover(*, namespace: str, node_host: str | None) -> tuple[str, ...]:
        return (f"http://{node_host}/{namespace}",)

    monkeypatch.setattr("load_tester.cli.target_arguments.discover", discover)
    settings = read("--discover", "--namespace", "n", "--node-host", "h")
    assert (settings.urls, settings.kind) == (("http://h/n",), TargetKind.REPLICA)
    assert read("--discover", "--target", "dispatcher").kind is TargetKind.DISPATCHER


def test_a_check_that_cannot_be_made_is_found_before_the_run(photos: Path) -> None:
    with pytest.raises(UsageError, match="not a check"):
        read_checks(read("--check", "everything"), photos)
