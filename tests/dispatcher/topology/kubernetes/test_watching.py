"""Watches that end, expire, fall silent; API servers that are down, slow or refuse."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from dispatcher.topology.kubernetes.access import ClusterApi
from dispatcher.topology.kubernetes.pace import Pace
from dispatcher.topology.kubernetes.watching import Event, apply
from tests.dispatcher.topology.kubernetes.config_maps import config_map_of, document_of
from tests.dispatcher.topology.kubernetes.looking import SWIFT, Looker, looking
from tests.dispatcher.waiting import until
from tests.kubernetes_api.cluster import Cluster

BIRDS = {"birds/0": 2}
BOTH = {"birds/0": 2, "fish/0": 1}


def test_events_make_the_set() -> None:
    one, other = config_map_of(), config_map_of("fish")
    known = apply(Event("ADDED", one), {})
    both = apply(Event("MODIFIED", other), known)
    assert both == {"birds-step-0": one, "fish-step-0": other}
    newer = config_map_of(version="2")
    assert apply(Event("ADDED", newer), both) == {"birds-step-0": newer, "fish-step-0": other}
    assert apply(Event("DELETED", one), both) == {"fish-step-0": other}
    assert apply(Event("DELETED", one), {}) == {}
    assert known == {"birds-step-0": one}  # nothing was changed in place


def test_retries_come_ever_later_and_soon_enough_for_a_change_to_act_within_five_seconds() -> None:
    waits = [Pace().retry_s(n, asked_s=None, chance=1) for n in (1, 2, 3, 4, 5, 6, 7, 1_000_000)]
    assert waits == [0.25, 0.5, 1, 2, 3, 3, 3, 3]


def test_retries_are_spread() -> None:
    assert Pace().retry_s(10, asked_s=None, chance=0) == 1.5


def test_the_api_server_may_ask_to_wait_but_not_for_ever() -> None:
    assert Pace().retry_s(1, asked_s=7, chance=0) == 7
    assert Pace().retry_s(1, asked_s=7, chance=1) == pytest.approx(8.4)
    assert Pace().retry_s(1, asked_s=10**6, chance=0) == 60


def test_everything_is_listed_again_within_a_minute() -> None:
    assert Pace().relist_s <= 60


async def started(looker: Looker, cluster: Cluster) -> None:
    await looker.sees(BIRDS)
    await until(lambda: cluster.open_watches == 2)


@pytest.mark.parametrize(
    "fault",
    [Cluster.end_watches, Cluster.break_watches, Cluster.expire_versions],
    ids=["ends", "breaks", "expires"],
)
async def test_a_watch_that_fails_costs_nothing(
    api: ClusterApi, cluster: Cluster, fault: Callable[[Cluster], None]
) -> None:
    cluster.apply(document_of())
    async with looking(api) as looker:
        await started(looker, cluster)
        fault(cluster)
        cluster.apply(document_of("fish", replicas=1))
        await looker.sees(BOTH)
        cluster.remove("ConfigMap", "birds-step-0")
        await looker.sees({"fish/0": 1})


async def test_an_expired_version_at_the_beginning_of_a_watch_is_listed_anew(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.apply(document_of())
    cluster.refuse(status=410, reason="Expired", verb="watch", resource="configmaps", times=2)
    async with looking(api) as looker:
        await started(looker, cluster)
        cluster.apply(document_of("fish", replicas=1))
        await looker.sees(BOTH)


async def test_what_happens_between_list_and_watch_is_not_missed(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.apply(document_of())
    cluster.delay(0.4, verb="watch", times=2)
    async with looking(api) as looker:
        await looker.sees(BIRDS)
        assert cluster.open_watches == 0
        cluster.remove("ConfigMap", "birds-step-0")
        await looker.sees({})


async def test_a_watch_that_fell_silent_is_found_out(api: ClusterApi, cluster: Cluster) -> None:
    cluster.apply(document_of())
    async with looking(api, replace(SWIFT, relist_s=1.0)) as looker:
        await started(looker, cluster)
        cluster.silence_watches()
        cluster.apply(document_of("fish", replicas=1))
        cluster.remove("ConfigMap", "birds-step-0")
        await looker.sees({"fish/0": 1})


async def test_long_lists_come_in_pages(api: ClusterApi, cluster: Cluster) -> None:
    names = [f"p{n}" for n in range(230)]
    cluster.load(document_of(name, replicas=1) for name in names)
    async with looking(api) as looker:
        await looker.sees({f"{name}/0": 1 for name in names})
    pages = [call for call in cluster.calls if call.verb == "list"]
    assert len(pages) == 3 + 1


async def test_what_was_seen_last_is_kept_while_the_api_server_is_down(
    api: ClusterApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cluster.apply(document_of())
    async with looking(api) as looker:
        await started(looker, cluster)
        cluster.stop_answering()
        await until(lambda: looker.discovery.age_s() > 0.5)
        assert [looker.replicas] == [BIRDS]
        assert len(looker.snapshots) == 1
        cluster.apply(document_of("fish", replicas=1))
        cluster.answer_again()
        answering_at = time.monotonic()
        await looker.sees(BOTH)
        await until(lambda: time.monotonic() - looker.discovery.age_s() > answering_at)
    said = [line for line in caplog.messages if "cannot be seen" in line]
    assert said
    assert "is kept: the API server cannot be reached" in said[0]
    assert any("can be seen again" in line for line in caplog.messages)


async def test_an_api_server_that_hangs_holds_up_nothing_else(
    api: ClusterApi, cluster: Cluster
) -> None:
    cluster.apply(document_of())
    async with looking(api, replace(SWIFT, relist_s=1.0)) as looker:
        await started(looker, cluster)
        cluster.freeze()
        async with asyncio.timeout(8):  # a call is given up after ten
            await until(lambda: looker.discovery.age_s() > 1.2)
            for _ in range(200):
                await asyncio.sleep(0.001)
        assert looker.replicas == BIRDS
        cluster.apply(document_of("fish", replicas=1))
        cluster.thaw()
        await looker.sees(BOTH)


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "Forbidden"), (401, "Unauthorized"), (429, "TooManyRequests")]
)
async def test_a_refusal_later_on_is_loud_and_costs_no_record(
    api: ClusterApi,
    cluster: Cluster,
    caplog: pytest.LogCaptureFixture,
    status: int,
    reason: str,
) -> None:
    cluster.apply(document_of())
    async with looking(api) as looker:
        await started(looker, cluster)
        cluster.refuse(status=status, reason=reason, message="not you", times=None)
        cluster.break_watches()
        cluster.apply(document_of("fish", replicas=1))
        complaints: Callable[[], list[logging.LogRecord]] = lambda: [  # noqa: E731 - read again
            line for line in caplog.records if line.getMessage().endswith("is kept: not you")
        ]
        await until(lambda: len(complaints()) >= 3)  # again and again, of both kinds
        assert looker.replicas == BIRDS
        loud = logging.WARNING if status == 429 else logging.ERROR
        assert {line.levelno for line in complaints()} == {loud}
        cluster.heal()
        await looker.sees(BOTH)


async def test_a_watch_that_is_forbidden_is_loud_though_lists_are_allowed(
    api: ClusterApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.apply(document_of())
    cluster.refuse(status=403, message="no watching", verb="watch", times=None)
    async with looking(api) as looker:
        await looker.sees(BIRDS)
        await until(lambda: [r for r in caplog.records if r.levelno == logging.ERROR])
        cluster.apply(document_of("fish", replicas=1))
        await looker.sees(BOTH)  # by listing again and again


async def test_an_answer_that_is_no_list_costs_no_record(api: ClusterApi, cluster: Cluster) -> None:
    cluster.apply(document_of())
    async with looking(api) as looker:
        await started(looker, cluster)
        cluster.garble(times=None)
        cluster.break_watches()
        await until(lambda: looker.discovery.age_s() > 0.3)
        assert looker.replicas == BIRDS
        cluster.heal()
        cluster.apply(document_of("fish", replicas=1))
        await looker.sees(BOTH)


async def test_a_slow_api_server_is_waited_for(api: ClusterApi, cluster: Cluster) -> None:
    cluster.apply(document_of())
    cluster.delay(0.5, verb="list", times=2)
    async with looking(api) as looker:
        await looker.sees(BIRDS)
