"""The command line: ``python -m dispatcher [FLAGS]``; ``--help`` lists them.

``python -m dispatcher keys --help`` explains how API keys are made and revoked; ``./setup.sh keys``
is the same.
"""

import logging
import sys

import uvloop

from dispatcher.api.guards.keys_command import run_keys_command
from dispatcher.errors import StartupError
from dispatcher.server import serve
from dispatcher.settings import load_settings
from dispatcher.telemetry.logs import configure_logs


def main() -> int:
    """Run the service; return the exit status."""
    configure_logs()
    try:
        if sys.argv[1:2] == ["keys"]:
            run_keys_command(sys.argv[2:])
            return 0
        uvloop.run(serve(load_settings(sys.argv[1:])))
    except StartupError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception:
        logging.getLogger(__name__).critical("the service ended by a failure", exc_info=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
