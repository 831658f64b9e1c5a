import threading
from queue import SimpleQueue

from step_app.batching import take_batch


def queue_of(*items: str | None) -> "SimpleQueue[str | None]":
    queue: SimpleQueue[str | None] = SimpleQueue()
    for item in items:
        queue.put(item)
    return queue


def test_one_waiting_item_is_a_batch_at_once() -> None:
    assert take_batch(queue_of("a"), max_batch_size=8) == ["a"]


def test_all_that_waits_is_taken_in_order_of_arrival() -> None:
    assert take_batch(queue_of("a", "b", "c"), max_batch_size=8) == ["a", "b", "c"]


def test_no_more_than_the_maximum_is_taken_and_the_rest_stays() -> None:
    queue = queue_of("a", "b", "c", "d", "e")
    batches = [take_batch(queue, max_batch_size=2) for _ in range(3)]
    assert batches == [["a", "b"], ["c", "d"], ["e"]]


def test_a_maximum_of_one_makes_no_batches() -> None:
    queue = queue_of("a", "b")
    assert [take_batch(queue, max_batch_size=1) for _ in range(2)] == [["a"], ["b"]]


def test_a_closed_queue_gives_none() -> None:
    assert take_batch(queue_of(None), max_batch_size=8) is None


def test_what_came_before_the_end_is_still_a_batch_and_the_end_is_not_lost() -> None:
    queue = queue_of("a", "b", None)
    assert take_batch(queue, max_batch_size=8) == ["a", "b"]
    assert take_batch(queue, max_batch_size=8) is None


def test_a_full_batch_leaves_the_end_for_the_next_call() -> None:
    queue = queue_of("a", "b", None)
    assert take_batch(queue, max_batch_size=2) == ["a", "b"]
    assert take_batch(queue, max_batch_size=2) is None


def test_an_empty_queue_is_waited_for() -> None:
    queue: SimpleQueue[str | None] = SimpleQueue()
    taken: list[list[str] | None] = []
    taker = threading.Thread(target=lambda: taken.append(take_batch(queue, max_batch_size=8)))
    taker.start()
    queue.put("a")
    taker.join(timeout=10)
    assert taken == [["a"]]
