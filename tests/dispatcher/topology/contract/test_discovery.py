"""What every ``Discovery`` promises."""

from dispatcher.pipelines.changes import StepChange
from tests.dispatcher.topology.contract.following import following
from tests.dispatcher.topology.contract.homes import Home
from tests.dispatcher.topology.workshop import WITHIN_S, made

ID = "pipeline-00000001"
OTHER = "pipeline-00000002"
NAMES = [f"{ID}-step-0", f"{ID}-step-1"]


async def test_the_first_snapshot_comes_at_once_also_of_nothing(home: Home) -> None:
    async with following(home.discovery) as seen:
        assert seen.snapshots == [[]]


async def test_what_was_there_before_is_in_the_first_snapshot(home: Home) -> None:
    await home.launcher.create(made())
    async with following(home.discovery) as seen:
        assert seen.names == NAMES


async def test_what_is_made_and_removed_is_seen_in_time(home: Home) -> None:
    async with following(home.discovery) as seen:
        await home.launcher.create(made())
        await seen.until(lambda: seen.names == NAMES)
        await home.launcher.create(made({"type": "sobel"}, pipeline_id=OTHER))
        await seen.until(lambda: seen.names == [*NAMES, f"{OTHER}-step-0"])
        await home.launcher.remove(ID)
        await seen.until(lambda: seen.names == [f"{OTHER}-step-0"])


async def test_a_record_says_what_was_asked_for(home: Home) -> None:
    (wanted,) = made({"type": "blur", "params": {"ksize": 9}, "replicas": 2})
    async with following(home.discovery) as seen:
        await home.launcher.create([wanted])
        await seen.until(lambda: seen.names == NAMES[:1])
        found = seen.record(NAMES[0])
        assert (found.key, found.type, found.replicas) == (wanted.key, wanted.type, 2)
        assert [dict(step) for step in found.steps] == [dict(step) for step in wanted.steps]
        assert (found.pipeline_name, found.created_at) == ("mine", wanted.created_at)


async def test_replicas_come_and_go_one_by_one(home: Home) -> None:
    async with following(home.discovery) as seen:
        await home.launcher.create(made({"type": "blur"}))
        await seen.until(lambda: seen.names == NAMES[:1])
        for count in (3, 1):
            await home.launcher.change(ID, "0", StepChange(replicas=count))
            await seen.until(
                lambda count=count: len(seen.record(NAMES[0]).endpoints) == count,  # type: ignore[misc]
                within_s=WITHIN_S,
            )
        (only,) = seen.record(NAMES[0]).endpoints
        assert only.startswith("http://127.")


async def test_a_changed_way_is_seen_in_every_record(home: Home) -> None:
    steps = ({"type": "blur"}, {"type": "grayscale"}, {"type": "sobel"})
    async with following(home.discovery) as seen:
        await home.launcher.create(made(*steps))
        await seen.until(lambda: len(seen.names) == 3)
        await home.launcher.change(ID, "0", StepChange(is_rerouted=True, preferred_next="2"))
        await seen.until(
            lambda: all(record.steps[0]["preferred_next"] == "2" for record in seen.snapshots[-1])
        )


async def test_a_spoilt_record_keeps_its_last_good_version(home: Home) -> None:
    async with following(home.discovery) as seen:
        await home.launcher.create(made())
        # When its replicas are known nobody writes it any more.
        await seen.until(
            lambda: seen.names == NAMES and all(record.endpoints for record in seen.snapshots[-1]),
            within_s=WITHIN_S,
        )
        before = seen.record(NAMES[0])
        home.spoil(NAMES[0])
        # Something that is seen later than the spoilt record must have been.
        await home.launcher.create(made({"type": "sobel"}, pipeline_id=OTHER))
        await seen.until(lambda: f"{OTHER}-step-0" in seen.names)
        assert seen.names == [*NAMES, f"{OTHER}-step-0"]
        assert seen.record(NAMES[0]).steps == before.steps
        home.mend(NAMES[0])
        await home.launcher.change(ID, "0", StepChange(is_rerouted=True, preferred_next="1"))
        await seen.until(lambda: seen.record(NAMES[0]).steps[0]["preferred_next"] == "1")
