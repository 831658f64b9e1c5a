"""What every board of chunks promises, as two dispatchers see it."""

import hashlib

from dispatcher.chunks.base import picture_path
from tests.dispatcher.chunks.boards import Seen
from tests.dispatcher.execution.sharing.sharers import STEP, made, wants
from tests.dispatcher.waiting import until

Two = tuple[Seen, Seen]
PICTURE = b"raw pixels"
DIGEST = hashlib.sha256(PICTURE).hexdigest()


# Offers


async def test_a_chunk_that_is_offered_is_taken_by_one(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.offers.offer([wants(0, params={"ksize": 5})])
    taken = await second.board.offers.take(STEP)
    assert taken is not None
    assert taken.request == wants(0, params={"ksize": 5})
    assert await first.board.offers.take(STEP) is None


async def test_chunks_are_taken_in_order(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.offers.offer([wants(0)])
    await first.board.offers.offer([wants(1)])
    taken = [await second.board.offers.take(STEP), await first.board.offers.take(STEP)]
    assert [offer.request.index for offer in taken if offer] == [0, 1]


async def test_each_step_has_offers_of_its_own(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.offers.offer([wants(0)])
    assert await second.board.offers.take("default/other") is None
    assert await second.board.offers.take(STEP) is not None


async def test_what_is_settled_is_offered_to_nobody(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.offers.offer([wants(0)])
    taken = await second.board.offers.take(STEP)
    assert taken is not None
    await second.board.offers.settle(taken)
    await second.board.offers.settle(taken)
    await second.board.offers.give_back(taken)
    assert await first.board.offers.take(STEP) is None


async def test_what_is_given_back_is_taken_by_another(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.offers.offer([wants(0)])
    taken = await second.board.offers.take(STEP)
    assert taken is not None
    await second.board.offers.give_back(taken)
    again = await first.board.offers.take(STEP)
    assert again is not None
    assert again.request == taken.request


# Shelf


async def test_the_first_outcome_of_a_chunk_stays(dispatchers: Two) -> None:
    first, second = dispatchers
    path = wants(0).path
    assert await second.board.shelf.find(path) is None
    assert not await second.board.shelf.has(path)
    await first.board.shelf.keep(path, made(0, dispatcher="first"))
    await second.board.shelf.keep(path, made(0, dispatcher="second"))
    assert await second.board.shelf.has(path)
    for one in dispatchers:
        assert await one.board.shelf.find(path) == made(0, dispatcher="first")


async def test_the_outcomes_of_one_job_are_found_and_no_others(dispatchers: Two) -> None:
    first, second = dispatchers
    mine = [wants(index).path for index in (0, 5)]
    for path in (*mine, wants(0, job_id="job-2").path, wants(0, job_id="job-10").path):
        await first.board.shelf.keep(path, made(0))
    await first.board.shelf.put_picture("job-1", DIGEST, PICTURE)
    assert await second.board.shelf.finished("job-1") == set(mine)
    assert await second.board.shelf.finished("job-3") == set()


async def test_a_picture_between_two_stages_is_kept(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.shelf.put_picture("job-1", DIGEST, PICTURE)
    await first.board.shelf.put_picture("job-1", DIGEST, PICTURE)
    assert await second.board.shelf.get_picture("job-1", DIGEST) == PICTURE
    assert await second.board.shelf.get_picture("job-2", DIGEST) is None


async def test_what_is_removed_is_gone_and_the_rest_stays(dispatchers: Two) -> None:
    first, second = dispatchers
    shelf = first.board.shelf
    for index in range(3):
        await shelf.keep(wants(index).path, made(index))
    await shelf.put_picture("job-1", DIGEST, PICTURE)
    gone = [wants(0).path, wants(1).path, wants(7).path, picture_path("job-1", DIGEST)]
    await second.board.shelf.remove(gone)
    assert await shelf.finished("job-1") == {wants(2).path}
    assert await shelf.get_picture("job-1", DIGEST) is None


async def test_tidying_leaves_what_is_young(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.shelf.keep(wants(0).path, made(0))
    await second.board.shelf.tidy()
    assert await first.board.shelf.has(wants(0).path)


# News


async def test_everybody_hears_what_is_told(dispatchers: Two) -> None:
    first, _ = dispatchers
    await first.board.news.call(STEP)
    await first.board.news.tell_kept(wants(0).path)
    await first.board.news.dismiss("job-1")
    await until(lambda: all(one.heard.unwanted for one in dispatchers))
    for heard in (one.heard for one in dispatchers):
        assert (heard.wanted, heard.kept, heard.unwanted) == ([STEP], [wants(0).path], ["job-1"])


async def test_what_each_has_ready_and_works_on_is_known_to_all(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.news.beat({STEP: ["a", "b"], "default/x": ["c"]}, ["p"], for_s=60)
    await second.board.news.beat({STEP: ["b", "d"]}, ["q"], for_s=60)
    for one in dispatchers:
        assert await one.board.news.replicas(STEP) == {"a", "b", "d"}
        assert await one.board.news.replicas("default/x") == {"c"}
        assert await one.board.news.replicas("default/y") == set()
        assert await one.board.news.in_work(["p", "q", "r"]) == {"p", "q"}
        assert await one.board.news.in_work([]) == set()


async def test_nobody_is_believed_for_longer_than_said(dispatchers: Two) -> None:
    first, second = dispatchers
    await first.board.news.beat({STEP: ["a"]}, ["p"], for_s=0.2)
    await second.board.news.beat({STEP: ["b"]}, ["q"], for_s=60)
    known: set[str] = set()
    while known != {"b", "q"}:
        known = await first.board.news.replicas(STEP) | await first.board.news.in_work(["p", "q"])
        assert {"b", "q"} <= known
