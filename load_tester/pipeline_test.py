"""Load from one machine or many: the load tester's curves and checks under Locust.

    locust -f load_tester/pipeline_test.py --curve ramp --users 50 --duration 120 --spawn-rate 5

Add `--headless` for a run without the web page, `--host` for where the service listens, and
`--master`, `--worker` or `--processes` for more than one process; images are read where the users
run. A user sends one image a second, but waits for the result of one before it sends the next:
unlike the replay of the same curve, a slow service slows it down.

Beside Locust's own figures for each kind of request there are `IMAGE end to end`, once an image,
and `STEP step <id>`, the time that the service says each step took. An answer that breaks the
contract is a failure whatever its status. A key for the service is read from the environment
(`LOAD_TESTER_API_KEY`).
"""

import sys
from pathlib import Path

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

# Locust puts this file's own folder first on the path, and there `import load_tester` would find
# the script of that name. The repository root takes its place.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(entry for entry in sys.path if Path(entry).resolve() != _HERE)]

from load_tester.errors import LoadTesterError
from load_tester.report.printable import make_printable
from load_tester.swarm.arguments import add_arguments, fill_in, read_curve, read_work
from load_tester.swarm.shape import CurveShape
from load_tester.swarm.user import TIMEOUT_S, PipelineUser

# Locust finds the classes by their names in this file.
__all__ = ["CurveShape", "PipelineUser"]


def check_arguments(environment: Environment, **_: object) -> None:
    """End the process in one line when the arguments make no sense; a worker's come later."""
    options = environment.parsed_options
    if options is not None and not isinstance(environment.runner, WorkerRunner):
        fill_in(options)
        # Else Locust breaks off what users are doing when they leave, and images are lost.
        environment.stop_timeout = environment.stop_timeout or TIMEOUT_S
        try:
            read_curve(options)
        except LoadTesterError as exc:
            sys.exit(f"load_tester: {make_printable(str(exc))}")
        get_ready(environment)


def get_ready(environment: Environment, **_: object) -> None:
    """Give the users of this process their work, or end it in one line; a master has none."""
    options = environment.parsed_options
    if options is not None and not isinstance(environment.runner, MasterRunner):
        try:
            PipelineUser.work = read_work(options, host=environment.host)
        except LoadTesterError as exc:
            sys.exit(f"load_tester: {make_printable(str(exc))}")


def check_sent(environment: Environment, **_: object) -> None:
    """Have a run without anything to look at fail when nothing was sent, for want of workers."""
    options, runner = environment.parsed_options, environment.runner
    if options is None or runner is None or isinstance(runner, WorkerRunner):
        return
    if options.headless and runner.stats.total.num_requests == 0:
        sys.stderr.write("load_tester: nothing was sent\n")
        environment.process_exit_code = 1


events.init_command_line_parser.add_listener(add_arguments)
events.init.add_listener(check_arguments)
events.test_start.add_listener(get_ready)
events.quitting.add_listener(check_sent)
