"""The usual command: replays a plan, open loop, and reports."""

import argparse
import asyncio
import logging
from contextlib import AbstractContextManager

import uvloop

from load_tester.cli.command import Command, describe_command
from load_tester.cli.conclusion import conclude
from load_tester.cli.live import add_live_arguments, watch
from load_tester.cli.objective_arguments import (
    add_objective_arguments,
    check_warm_up,
    read_objective_arguments,
)
from load_tester.cli.plan_arguments import add_plan_arguments, read_plan
from load_tester.cli.run_arguments import add_run_arguments, read_run
from load_tester.cli.target_arguments import add_target_arguments, read_checks, read_targets
from load_tester.engine.recorder import Recorder
from load_tester.errors import ExitCode
from load_tester.plan.plan import Plan
from load_tester.report.whole import prepare_folder
from load_tester.run import Run
from load_tester.session import (
    Session,
    carry_out,
    load_cargo,
    measure_own_ceiling,
    order_plan,
)

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every flag of a replay."""
    add_target_arguments(parser)
    add_plan_arguments(parser)
    add_run_arguments(parser)
    add_objective_arguments(parser)
    add_live_arguments(parser)


def run(given: argparse.Namespace) -> ExitCode:
    """Replay the plan that the flags describe and say what happened."""
    plan = read_plan(given)
    session = read_session(given, plan)
    if session.run.out is not None:
        prepare_folder(session.run.out)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        done = runner.run(replay(session, plan))
    code = conclude(done, out=session.run.out)
    if not done.interrupted:
        session.checks.finish()
    return code


def read_session(given: argparse.Namespace, plan: Plan) -> Session:
    """Return the session that the flags describe; raises UsageError."""
    watched = read_objective_arguments(given)
    check_warm_up(watched.warm_up_s, plan_s=len(plan.per_second))
    target = read_targets(given)
    settings = read_run(given, kind=target.kind, warm_up_s=watched.warm_up_s)

    def show(recorder: Recorder) -> AbstractContextManager[object]:
        return watch(
            recorder,
            planned=plan.per_second,
            total=len(plan.moments_s),
            quiet=given.quiet,
        )

    return Session(
        target=target,
        run=settings,
        show=show,
        checks=read_checks(target, settings.images),
        objectives=watched.objectives,
        self_check=watched.self_check,
        metrics_url=watched.metrics_url,
        command=describe_command(),
    )


async def replay(session: Session, plan: Plan) -> Run:
    """Do the run; raises UsageError or UnreachableError when it cannot begin."""
    cargo = load_cargo(session, count=len(plan.moments_s))
    ceiling = await measure_own_ceiling(session, cargo)
    log.info("Starting load test - Images per second schedule: %s", list(plan.per_second))
    log.info("Max workers: %s", session.run.max_workers or "no bound")
    return await carry_out(session, order_plan(session, plan, cargo), cargo, ceiling=ceiling)


COMMAND = Command(
    "Replay a schedule, a curve or a trace against a service, open loop, and report.",
    add_arguments,
    run,
)
