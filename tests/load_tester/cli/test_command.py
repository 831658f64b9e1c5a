import argparse

import pytest

from load_tester.cli.command import CommandName, choose_command
from load_tester.cli.main import load_command


@pytest.mark.parametrize(
    ("arguments", "command", "left"),
    [
        ("", "replay", ""),
        ("--schedule 4,8", "replay", "--schedule 4,8"),
        ("replay --schedule 4,8", "replay", "--schedule 4,8"),
        ("photo.jpg --count 10 --concurrency 4", "closed", "photo.jpg --count 10 --concurrency 4"),
        ("photo.jpg --counts=1,5", "benchmark", "photo.jpg --counts=1,5"),
        ("--counts 1,5 --threads 2", "benchmark", "--counts 1,5 --threads 2"),
        ("--threads 1,2", "scaling", "--threads 1,2"),
        ("capacity --slo p95<1s", "capacity", "--slo p95<1s"),
        ("compare a b", "compare", "a b"),
        ("report folder", "report", "folder"),
    ],
)
def test_a_name_or_a_flag_chooses_the_command(arguments: str, command: str, left: str) -> None:
    assert choose_command(arguments.split()) == (CommandName(command), left.split())


@pytest.mark.parametrize("name", CommandName)
def test_every_command_can_be_loaded_and_tells_what_it_is_for(name: CommandName) -> None:
    command = load_command(name)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.summary.endswith(".")
    assert all(action.help for action in parser._actions)
