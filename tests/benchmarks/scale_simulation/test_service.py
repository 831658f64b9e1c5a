"""The simulated service against what queueing theory says in closed form, and against itself."""

from collections.abc import Sequence
from statistics import fmean

import pytest

from benchmarks.scale_simulation.arrivals import Arrival, Phase, draw_arrivals
from benchmarks.scale_simulation.replicas import ReplicaCosts
from benchmarks.scale_simulation.service import Image, Layout, ServiceCosts, SimulatedService

ITEM_S = 0.02
ENDLESS = 1_000_000


def costs(item_s: float = ITEM_S, *, request_s: float = 0.0) -> ServiceCosts:
    return ServiceCosts(replica=ReplicaCosts(request_s=request_s, item_s=item_s))


def latencies(images: Sequence[Image]) -> list[float]:
    return [image.latency_s for image in images if image.latency_s is not None]


def test_same_seed_same_outcome() -> None:
    arrivals = draw_arrivals([Phase(80, 5)], seed=3)
    spread = ServiceCosts(
        replica=ReplicaCosts(request_s=0.001, item_s=ITEM_S),
        dispatcher_s=0.001,
        commits_s=(0.001, 0.004),
        others_s=(0.0, 0.002),
    )
    first, second, other = (
        SimulatedService(spread, Layout(), seed=seed).run(arrivals) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_an_image_that_is_alone_takes_what_its_parts_take() -> None:
    known = ServiceCosts(
        replica=ReplicaCosts(request_s=0.003, item_s=ITEM_S),
        dispatcher_s=0.002,
        client_s=0.001,
        commits_s=(0.005,),
        others_s=(0.004,),
    )
    images = SimulatedService(known, Layout()).run([Arrival(1.0, 0)])
    assert latencies(images) == [pytest.approx(known.least_s() + 0.004)]


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_replica_without_batches_waits_like_m_d_1(load: float) -> None:
    # Pollaczek and Khinchine: the mean wait is rho * s / 2 / (1 - rho) when s never changes.
    layout = Layout(replicas=1, max_batch_size=1, capacity=ENDLESS)
    arrivals = draw_arrivals([Phase(load / ITEM_S, 400)], seed=7)
    images = SimulatedService(costs(), layout).run(arrivals)
    expected_s = ITEM_S + load * ITEM_S / 2 / (1 - load)
    assert fmean(latencies(images)) == pytest.approx(expected_s, rel=0.05)


def test_as_many_are_in_the_system_as_little_says() -> None:
    # Counted at moments on a grid here, from latencies there: L = rate * W.
    seconds = 60
    arrivals = draw_arrivals([Phase(75, seconds)], seed=5)
    images = SimulatedService(costs(), Layout(capacity=ENDLESS)).run(arrivals)
    moments = [0.25 * step for step in range(4 * seconds)]
    spans = [(i.due_s, i.due_s + i.latency_s) for i in images if i.latency_s is not None]
    changes = sorted([(begins, 1) for begins, _ in spans] + [(ends, -1) for _, ends in spans])
    seen, inside, index = 0, 0, 0
    for moment in moments:
        while index < len(changes) and changes[index][0] <= moment:
            inside += changes[index][1]
            index += 1
        seen += inside
    rate = len(images) / seconds
    assert seen / len(moments) == pytest.approx(rate * fmean(latencies(images)), rel=0.05)


def test_replicas_are_never_idle_when_there_is_more_than_they_can_do() -> None:
    layout = Layout(replicas=2, capacity=50, burst_s=ENDLESS)
    images = SimulatedService(costs(), layout).run(draw_arrivals([Phase(200, 10)], seed=2))
    ended = sum(i.latency_s is not None and i.due_s + i.latency_s <= 10 for i in images)
    assert ended / 10 == pytest.approx(2 / ITEM_S, rel=0.03)


def test_a_greedy_replica_computes_more_at_once_the_more_there_is_to_do() -> None:
    greedy = ReplicaCosts(request_s=0.02, item_s=0.005, is_greedy=True, needs_core=True)
    sizes = []
    for rate in (10, 200, 400):
        service = SimulatedService(ServiceCosts(replica=greedy), Layout())
        service.run(draw_arrivals([Phase(rate, 5)], seed=2))
        sizes.append(fmean(service.totals.batches))
    alone, half, full = sizes
    assert alone < 1.1
    assert 2 * alone < half < full
    assert full > 4


def test_what_is_too_much_is_refused_and_all_else_ends() -> None:
    images = SimulatedService(costs(), Layout(capacity=20)).run(
        draw_arrivals([Phase(300, 5)], seed=2)
    )
    accepted = latencies(images)
    assert 0 < len(accepted) < len(images)
    # Twenty wait, and two batches for each of two replicas are on the road.
    assert max(accepted) < (20 + 32 + 16) * ITEM_S


def test_a_queue_that_stays_full_is_kept_short() -> None:
    arrivals = draw_arrivals([Phase(150, 20)], seed=4)
    late = {
        burst_s: fmean(
            latencies(
                [
                    image
                    for image in SimulatedService(costs(), Layout(burst_s=burst_s)).run(arrivals)
                    if image.due_s > 10
                ]
            )
        )
        for burst_s in (2.0, float(ENDLESS))
    }
    assert late[2.0] < 0.3 * late[float(ENDLESS)]


def test_the_same_bytes_are_computed_once() -> None:
    service = SimulatedService(costs(), Layout())
    arrivals = [Arrival(0.0, 1), Arrival(0.001, 1), Arrival(0.002, 2), Arrival(5.0, 1)]
    images = service.run(arrivals)
    assert service.totals.computed == 2
    hit, joined = images[3].latency_s, images[1].latency_s
    assert hit == pytest.approx(0.0)
    assert joined == pytest.approx(ITEM_S - 0.001)


def test_commits_are_shared_by_what_comes_meanwhile() -> None:
    slow = ServiceCosts(replica=ReplicaCosts(request_s=0, item_s=0), commits_s=(0.1,))
    service = SimulatedService(slow, Layout(replicas=4, capacity=ENDLESS))
    images = service.run([Arrival(0.0, 0), *(Arrival(0.05, key) for key in range(1, 20))])
    # One image alone, nineteen behind it; then the ends of the first, and those of the others.
    assert service.totals.commits <= 4
    assert max(latencies(images)) == pytest.approx(0.25, abs=0.101)
