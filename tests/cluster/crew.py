"""Dispatchers that share one queue, as processes: some accept, some work, over fake replicas."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.durability.dispatcher_process import (
    POOLS,
    DispatcherProcess,
    FakeReplica,
    declare,
)
from tests.ports import free_port


@dataclass(frozen=True)
class Addresses:
    """Where the three servers are, as the dispatchers are told."""

    rabbitmq_url: str
    redis_url: str
    blob_url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """Credentials of the object store."""

    def settings(self) -> dict[str, str]:
        """Return them as environment variables: URLs with passwords are no flags."""
        return {
            "DISPATCHER_RABBITMQ_URL": self.rabbitmq_url,
            "DISPATCHER_REDIS_URL": self.redis_url,
            "DISPATCHER_BLOB_URL": self.blob_url,
            **self.environment,
        }


@dataclass
class Crew:
    """Dispatchers and the replicas that they all use."""

    apis: list[DispatcherProcess]
    workers: list[DispatcherProcess]
    fakes: list[FakeReplica]

    @property
    def everybody(self) -> list[DispatcherProcess]:
        """All dispatchers."""
        return [*self.apis, *self.workers]

    @property
    def urls(self) -> list[str]:
        """Where images are accepted."""
        return [api.url for api in self.apis]

    @property
    def logs(self) -> list[Path]:
        """What the replicas have executed."""
        return [fake.log for fake in self.fakes]

    def start(self) -> None:
        """Start all of them; return when each serves."""
        for dispatcher in self.everybody:
            dispatcher.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when each that runs serves, with a ready replica."""
        for dispatcher in self.everybody:
            if not dispatcher.has_died():
                dispatcher.wait_ready(pools=POOLS)

    def restart(self, dispatcher: DispatcherProcess) -> None:
        """Kill one and start it again, without waiting for it."""
        dispatcher.kill()
        dispatcher.start()


@contextmanager
def crew(
    folder: Path,
    addresses: Addresses,
    *,
    apis: int = 2,
    workers: int = 2,
    replicas: int = 2,
    flags: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Iterator[Crew]:
    """Give dispatchers that are not started and fake replicas that run; none is left at the end.

    Args:
        folder: for their data directories and logs.
        addresses: of the servers.
        apis: dispatchers that accept.
        workers: dispatchers that work.
        replicas: fake replicas, which all dispatchers use.
        flags: of every dispatcher.
        options: of every replica.
    """
    fakes = [
        FakeReplica(free_port(), folder / f"executions-{number}.jsonl", options)
        for number in range(replicas)
    ]
    records = folder / "topology"
    shared = ["--queue", "rabbitmq", "--topology", "files", "--records-dir", str(records), *flags]
    with ExitStack() as stack:
        for fake in fakes:
            stack.callback(fake.kill)
            fake.start()
        declare(folder, fakes)

        def dispatcher(role: str, number: int) -> DispatcherProcess:
            data_dir = folder / f"{role}-{number}"
            data_dir.mkdir()
            made = DispatcherProcess(
                data_dir,
                [*shared, "--role", role],
                free_port(),
                environment=addresses.settings(),
            )
            stack.callback(made.end)
            return made

        yield Crew(
            apis=[dispatcher("api", number) for number in range(apis)],
            workers=[dispatcher("worker", number) for number in range(workers)],
            fakes=fakes,
        )
