"""Start one replica: ``PIPELINE_CONFIG=… SERVICE_PORT=5000 python -m step_app``."""

import logging
import os
import sys
import threading
import time

import uvicorn

from step_app.app import create_app
from step_app.contract.limits import EXIT_CONFIGURATION
from step_app.errors import ConfigurationError
from step_app.replica import Replica
from step_app.settings import load_settings, parse_step_config

_log = logging.getLogger(__name__)

_DRAIN_S = 10
"""How long a replica that was told to end may take to answer what it has accepted."""


def main() -> int:
    """Serve until told to end; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = load_settings()
        # The arithmetic libraries read this once, when they are imported.
        os.environ["OMP_NUM_THREADS"] = str(settings.step_threads)
        replica = Replica(parse_step_config(settings.pipeline_config), settings)
    except ConfigurationError as exc:
        return _refuse(exc)
    server: uvicorn.Server

    def stop() -> None:
        server.should_exit = True

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(replica, on_failure=stop),
            host=settings.service_host,
            port=settings.service_port,
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            server_header=False,
            # Longer than a dispatcher leaves a connection idle, so that it never picks one up
            # that is being closed.
            timeout_keep_alive=120,
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )
    if settings.exit_with_parent:
        threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.run()
    if isinstance(replica.failure, ConfigurationError):
        return _refuse(replica.failure)
    if replica.failure is not None:
        _log.error("the step could not be loaded", exc_info=replica.failure)
        return 1
    return 0


def _refuse(error: ConfigurationError) -> int:
    sys.stderr.write(f"error: {error}\n")
    return EXIT_CONFIGURATION


def _end_with_parent(server: uvicorn.Server) -> None:
    """Wait for standard input to close, which the kernel does when the parent dies."""
    # Not through sys.stdin: its lock, held here, would abort the interpreter's shutdown.
    while os.read(0, 4096):
        pass
    server.should_exit = True
    time.sleep(_DRAIN_S + 2)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
