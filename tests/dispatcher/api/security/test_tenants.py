"""S08, S28, S30: what belongs to one owner does not exist for another."""

import hashlib
import json
import uuid

from dispatcher.execution.executor import lineage_of
from dispatcher.intake.digest import coalescing_key, result_key
from dispatcher.jobs import Batch, Job, Output, SentFile
from tests.dispatcher.api.raw_http import Answer, exchange, request, submission
from tests.dispatcher.api.serving import Served, bearer
from tests.dispatcher.images import png
from tests.dispatcher.records import completed, make_job, make_pipeline

PICTURE = png(tail=b"alice's cat")
MADE = Output(hashlib.sha256(PICTURE).hexdigest(), "image/png", width=4, height=3, data={})


async def ask(served: Served, name: str, method: str, path: str) -> Answer:
    return await exchange(served.port, request(method, path, f"Authorization: {bearer(name)}"))


async def keep_job_of_alice(served: Served) -> Job:
    """A job of hers that has made a picture."""
    await served.services.blobs.put(MADE.digest, PICTURE)
    job = completed(make_job(str(uuid.uuid4()), tenant="alice"), result=None, outputs=(MADE,))
    await served.services.results.add(job)
    return job


async def keep_batch_of_alice(served: Served) -> Batch:
    job = await keep_job_of_alice(served)
    file = SentFile(job.id, "cat.png", MADE.digest, "image/png")
    batch = Batch(id=str(uuid.uuid4()), created_at=job.queued_at, files=(file,), tenant="alice")
    await served.services.results.add_batch(batch)
    return batch


def without_id(answer: Answer) -> tuple[int, dict[str, object]]:
    """An answer as it must be for whatever is not there."""
    return answer.status, answer.json() | {"request_id": ""}


async def test_s08_a_job_of_another_owner_is_as_one_that_never_was(served: Served) -> None:
    job = await keep_job_of_alice(served)
    for method, tail in (
        ("GET", ""),
        ("GET", "?wait=30"),
        ("GET", "/image"),
        ("GET", "/image/0"),
        ("GET", "/events"),
        ("DELETE", ""),
        ("POST", "/requeue"),
    ):
        others = await ask(served, "bob", method, f"/result/{job.id}{tail}")
        nobodys = await ask(served, "bob", method, f"/result/{uuid.uuid4()}{tail}")
        assert without_id(others) == without_id(nobodys), (method, tail)
        assert (others.status, others.code) == (404, "not_found"), (method, tail)
    assert (await ask(served, "alice", "GET", f"/result/{job.id}/image")).body == PICTURE


async def test_s08_a_batch_of_another_owner_is_as_one_that_never_was(served: Served) -> None:
    batch = await keep_batch_of_alice(served)
    paths = (
        "/batch/{}", "/batch/{}?wait=30", "/batch/{}/zip", "/static/{}/",
        "/static/{}/sent/cat.png", "/static/{}/made/cat.png",
    )  # fmt: skip
    for path in paths:
        others = await ask(served, "bob", "GET", path.format(batch.id))
        nobodys = await ask(served, "bob", "GET", path.format(uuid.uuid4()))
        assert without_id(others) == without_id(nobodys), path
        assert (others.status, others.code) == (404, "not_found"), path
    assert (await ask(served, "alice", "GET", f"/static/{batch.id}/made/cat.png")).body == PICTURE


async def test_s08_a_list_holds_the_callers_jobs_alone(served: Served) -> None:
    job = await keep_job_of_alice(served)
    of_alice = await ask(served, "alice", "GET", "/results")
    assert [entry["request_id"] for entry in of_alice.json()["results"]] == [job.id]
    assert (await ask(served, "bob", "GET", "/results")).json()["results"] == []


async def test_s08_another_owner_cancels_nothing(served: Served) -> None:
    sent = await exchange(served.port, submission(f"Authorization: {bearer('alice')}"))
    job_id = sent.json()["request_id"]
    assert (await ask(served, "bob", "DELETE", f"/result/{job_id}")).status == 404
    assert served.services.queue.depth() == 1
    assert (await ask(served, "alice", "DELETE", f"/result/{job_id}")).status == 200


async def test_s08_ids_are_random(served: Served) -> None:
    sent = submission(f"Authorization: {bearer('alice')}")
    first = (await exchange(served.port, sent)).json()["request_id"]
    second = (await exchange(served.port, sent)).json()["request_id"]
    assert first != second
    assert uuid.UUID(first).version == 4  # 122 random bits


def test_s28_a_result_is_shared_within_one_owner_only() -> None:
    pipeline = make_pipeline()
    keys = {result_key("d" * 64, pipeline, {}, tenant=name) for name in ("", "alice", "bob")}
    flights = {coalescing_key("d" * 64, pipeline, {}, tenant=name) for name in ("", "alice", "bob")}
    assert len(keys) == len(flights) == 3


def test_s28_no_owners_name_makes_the_key_of_another() -> None:
    pipeline = make_pipeline()
    assert result_key("d" * 64, pipeline, {}, tenant="a\n") != result_key(
        "d" * 64, pipeline, {}, tenant="a"
    )


async def test_s30_what_one_has_computed_is_new_to_another(served: Served) -> None:
    async def send(name: str) -> dict[str, object]:
        return (await exchange(served.port, submission(f"Authorization: {bearer(name)}"))).json()

    first = str((await send("alice"))["request_id"])
    joined = await send("alice")
    other = str((await send("bob"))["request_id"])
    queue, results = served.services.queue, served.services.results
    assert queue.depth() == 2, "Bob's is computed anew, Alice's second follows her first"
    assert (await results.get(str(joined["request_id"]))).coalesced
    assert not (await results.get(other)).coalesced
    lease = await queue.reserve(queue.lanes())
    assert lease is not None
    assert lease.job_id == first
    done = completed(await results.get(first), revision=make_pipeline().revision)
    await results.save(done)
    await queue.ack(lease)
    await served.services.endings.settle(done)
    assert (await send("alice"))["from_cache"] is True
    assert (await send("bob"))["from_cache"] is False


def test_s30_the_first_picture_of_a_chain_descends_from_its_owner() -> None:
    lineages = {lineage_of(make_job(result_key="k", tenant=name)) for name in ("", "alice", "bob")}
    assert len(lineages) == 3
    assert lineage_of(make_job(tenant="alice")) is None


async def test_the_documents_do_not_tell_whose_key_it_was(served: Served) -> None:
    job = await keep_job_of_alice(served)
    document = (await ask(served, "alice", "GET", f"/result/{job.id}")).json()
    assert "alice" not in json.dumps(document)
