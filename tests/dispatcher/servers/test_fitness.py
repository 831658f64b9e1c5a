"""A dispatcher whose object store is another, or is away for long, takes no jobs."""

from dataclasses import dataclass

from dispatcher.servers.fitness import PATIENCE_S, Fitness


@dataclass
class Servers:
    """An object store that can be away, or be another than the others'."""

    reason: str | None = None
    is_same: bool = True
    now: float = 100.0

    def unready(self) -> str | None:
        return self.reason

    def may_work(self) -> bool:
        return self.is_same


def test_jobs_are_left_to_others_while_the_store_is_another() -> None:
    servers = Servers()
    fitness = Fitness(servers, servers)
    assert fitness.may_work()
    servers.is_same = False
    assert not fitness.may_work()


def test_jobs_are_left_to_others_once_the_store_is_away_for_long() -> None:
    servers = Servers()
    fitness = Fitness(servers, servers, clock=lambda: servers.now)
    for _ in range(2):
        servers.reason = "it does not answer"
        assert fitness.may_work()
        servers.now += PATIENCE_S
        assert fitness.may_work()
        servers.now += 0.1
        assert not fitness.may_work()
        servers.reason = None
        assert fitness.may_work()
