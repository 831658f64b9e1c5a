"""The command line: ``python -m dispatcher [FLAGS]`` runs the service; ``--help`` lists them.

Four words stand for other things, each with its own ``--help``: ``keys`` makes and revokes API
keys, ``queue`` looks at the queue, empties it and repeats what has failed, ``cluster`` runs several
dispatchers with their servers, ``reset`` looks at what runs and restarts it. ``./setup.sh keys``
and so on are the same.
"""

import logging
import sys
from collections.abc import Sequence

from dispatcher.api.guards.keys_command import run_keys_command
from dispatcher.errors import StartupError
from dispatcher.settings import load_settings
from dispatcher.telemetry.logs import configure_logs


def main() -> int:
    """Run the service, or a command; return the exit status."""
    configure_logs()
    try:
        _run(sys.argv[1:])
    except StartupError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception:
        logging.getLogger(__name__).critical("the service ended by a failure", exc_info=True)
        return 1
    return 0


def _run(argv: Sequence[str]) -> None:
    # Each loads what it needs and nothing else: the whole service takes a second.
    match argv[:1]:
        case ["keys"]:
            run_keys_command(argv[1:])
        case ["queue"]:
            from dispatcher.operations.command import run_queue_command  # noqa: PLC0415

            run_queue_command(argv[1:])
        case ["reset"]:
            from dispatcher.operations.reset.command import run_reset_command  # noqa: PLC0415

            run_reset_command(argv[1:])
        case ["cluster"]:
            from dispatcher.operations.cluster.command import run_cluster_command  # noqa: PLC0415

            run_cluster_command(argv[1:])
        case _:
            import uvloop  # noqa: PLC0415

            from dispatcher.server import serve  # noqa: PLC0415

            uvloop.run(serve(load_settings(argv)))


if __name__ == "__main__":
    sys.exit(main())
