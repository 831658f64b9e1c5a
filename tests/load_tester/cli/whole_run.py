"""One replay as the command line does it, in this process and without its files."""

import argparse
from pathlib import Path

import uvloop

from load_tester.cli import replay
from load_tester.cli.plan_arguments import read_plan
from load_tester.run import Run


def run_whole(*arguments: str | Path) -> Run:
    """Return the run that the arguments of a replay ask for."""
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    given = parser.parse_args(list(map(str, arguments)))
    plan = read_plan(given)
    return uvloop.run(replay.replay(replay.read_session(given, plan), plan))
