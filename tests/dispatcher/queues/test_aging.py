"""The order that all queues share: waiting makes a job more urgent. With a clock of its own."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dispatcher.jobs import Job, Priority
from dispatcher.queues.base import Lease
from dispatcher.queues.lanes import PENALTY_S, Lanes, Waiting
from tests.dispatcher.queues.taking import LANE, job

HIGH, NORMAL, BULK = Priority.HIGH, Priority.NORMAL, Priority.BULK


class Clock:
    """Monotonic time that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def order_of(lanes: Lanes) -> list[str]:
    taken = []
    while (lease := lanes.reserve([LANE])) is not None:
        taken.append(lease.job_id)
    return taken


@pytest.mark.parametrize(
    ("waiting", "coming", "head_start_s"),
    [(BULK, HIGH, 60), (BULK, NORMAL, 30), (NORMAL, HIGH, 30)],
)
def test_one_who_has_waited_long_enough_comes_before_a_more_urgent_one(
    waiting: Priority, coming: Priority, head_start_s: float
) -> None:
    for waited_s, expected in ((head_start_s - 1, "coming"), (head_start_s + 1, "waiting")):
        clock = Clock()
        lanes = Lanes(clock=clock)
        lanes.add(job("waiting", waiting))
        clock.now += waited_s
        lanes.add(job("coming", coming))
        assert order_of(lanes)[0] == expected


def test_no_stream_of_urgent_jobs_starves_a_patient_one() -> None:
    clock = Clock()
    lanes = Lanes(clock=clock)
    lanes.add(job("patient", BULK))
    taken: list[str] = []
    for second in range(120):
        lanes.add(job(f"urgent {second}", HIGH))
        lease = lanes.reserve([LANE])
        assert lease is not None
        taken.append(lease.job_id)
        clock.now += 1.0
    assert taken.index("patient") == 60


def test_time_that_was_waited_in_an_earlier_process_counts() -> None:
    lanes = Lanes(clock=Clock())
    lanes.add(job("urgent", HIGH))
    lanes.restore(Waiting("patient", LANE, BULK, 0, waited_s=61.0))
    assert order_of(lanes) == ["patient", "urgent"]


@dataclass
class Model:
    """The simplest thing that keeps the promises: a list that is sorted for every question."""

    clock: Callable[[], float]
    waiting: list[tuple[float, int, Job]] = field(default_factory=list)
    leased: dict[str, tuple[float, int, Job]] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)

    def add(self, new: Job, number: int) -> None:
        self.arrived[new.id] = self.clock()
        self.waiting.append((self.clock() + PENALTY_S[new.priority], number, new))

    def order(self, lane: str) -> list[str]:
        mine = [place for place in self.waiting if place[2].pipeline_id == lane]
        return [place[2].id for place in sorted(mine, key=lambda place: place[:2])]

    def move(self, job_id: str, *, to_leased: bool) -> None:
        if to_leased:
            place = next(place for place in self.waiting if place[2].id == job_id)
            self.waiting.remove(place)
            self.leased[job_id] = place
        else:
            self.waiting.append(self.leased.pop(job_id))

    def check(self, lanes: Lanes) -> None:
        assert lanes.depth() == len(self.waiting)
        assert lanes.leased() == len(self.leased)
        assert lanes.waiting_bytes() == sum(place[2].size_bytes for place in self.waiting)
        assert sorted(lanes.names()) == sorted({p[2].pipeline_id for p in self.waiting})
        for lane in ("left", "right"):
            order = self.order(lane)
            assert [lanes.position(name) for name in order] == list(range(len(order)))
        ages = [self.clock() - self.arrived[place[2].id] for place in self.waiting]
        assert lanes.oldest_age_s() == pytest.approx(max(ages, default=0.0))


def step(
    lanes: Lanes, model: Model, leases: list[Lease], *, dice: random.Random, number: int
) -> None:
    """Do one thing at random to both."""
    action = dice.choice(["add", "add", "reserve", "reserve", "end", "give back", "withdraw"])
    if action == "add":
        new = job(
            f"job-{number}",
            dice.choice(list(Priority)),
            lane=dice.choice(["left", "right"]),
            size_bytes=dice.randrange(100),
        )
        lanes.add(new)
        model.add(new, number)
    elif action == "reserve":
        lane = dice.choice(["left", "right"])
        lease, order = lanes.reserve([lane]), model.order(lane)
        assert (lease.job_id if lease else None) == (order[0] if order else None)
        if lease is not None:
            leases.append(lease)
            model.move(lease.job_id, to_leased=True)
    elif action == "withdraw" and model.waiting:
        place = dice.choice(model.waiting)
        assert lanes.withdraw(place[2].id)
        model.waiting.remove(place)
    elif leases:
        lease = leases.pop(dice.randrange(len(leases)))
        if action == "give back":
            assert lanes.give_back(lease)
            model.move(lease.job_id, to_leased=False)
        else:
            assert lanes.end(lease)
            del model.leased[lease.job_id]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_order_is_that_of_a_sorted_list(seed: int) -> None:
    dice, clock = random.Random(seed), Clock()
    lanes, model = Lanes(clock=clock), Model(clock)
    leases: list[Lease] = []
    for number in range(400):
        step(lanes, model, leases, dice=dice, number=number)
        clock.now += dice.expovariate(0.5)
        model.check(lanes)


def test_the_penalties_are_those_that_the_documents_tell() -> None:
    assert [PENALTY_S[priority] for priority in Priority] == [0.0, 30.0, 60.0]
