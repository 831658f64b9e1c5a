import hashlib
from dataclasses import replace
from typing import Any

from tests.durability.checker import Execution, check
from tests.durability.client_log import ClientLog, Order, Sight, Try
from tests.durability.oracle import answer_of, noise, picture_of

ORDER = Order(
    number=0, image_seed=7, size_bytes=2000, pipeline="oracle", params={"top_k": 2}, key="k"
)
IMAGE = noise(ORDER.image_seed, ORDER.size_bytes)


def document(**changes: Any) -> dict[str, Any]:
    result = {"predictions": [answer_of(IMAGE, ORDER.params)]}
    return {"status": "completed", "result": result, "error": None, "attempts": 1, **changes}


def accepted(job_id: str = "a", status: int | None = 202, **changes: Any) -> Try:
    return Try(replace(ORDER, **changes), 1.0, 2.0, status, job_id if status else None)


def sight(job_id: str = "a", at: float = 5.0, status: int = 200, **changes: Any) -> Sight:
    return Sight(job_id, at, status, document(**changes))


def findings(
    tries: list[Try], sights: list[Sight], executions: list[Execution] | None = None
) -> list[str]:
    return check(ClientLog(tries, sights), executions or []).findings()


def test_a_job_with_the_right_answer_is_good() -> None:
    runs = [Execution("start", "a", 3.0), Execution("end", "a", 4.0)]
    assert findings([accepted()], [sight(), sight(at=9.0)], runs) == []


def test_a_job_that_nobody_knows_is_lost() -> None:
    (found,) = findings([accepted()], [sight(status=404)])
    assert found.startswith("lost: a")


def test_a_job_that_was_never_seen_is_lost() -> None:
    assert findings([accepted()], []) == ["lost: a: nothing"]


def test_a_job_that_failed_is_found() -> None:
    failure = document(status="failed", result=None, error={"code": "unknown_pipeline"})
    (found,) = findings([accepted()], [Sight("a", 5.0, 200, failure)])
    assert found.startswith("failed: a: failed")


def test_another_answer_is_wrong() -> None:
    other = {"predictions": [answer_of(IMAGE, {"top_k": 3})]}
    (found,) = findings([accepted()], [sight(result=other)])
    assert found.startswith("wrong: a")


def test_a_picture_is_judged_by_its_bytes() -> None:
    right = hashlib.sha256(picture_of(IMAGE, ORDER.params)).hexdigest()
    painted = replace(sight(result={"url": "/result/a/image"}), picture=right)
    assert findings([accepted()], [painted]) == []
    (found,) = findings([accepted()], [replace(painted, picture="0" * 64)])
    assert found.startswith("wrong: a")


def test_an_end_that_changes_is_found() -> None:
    (found,) = findings([accepted()], [sight(attempts=1), sight(attempts=2)])
    assert found.startswith("changed: a")


def test_two_jobs_of_one_key_are_found() -> None:
    tries = [accepted("a"), accepted("b")]
    (found,) = findings(tries, [sight("a"), sight("b")])
    assert found == "doubled: k: ['a', 'b']"


def test_two_jobs_without_a_key_are_none_of_our_business() -> None:
    tries = [accepted("a", key=None), accepted("b", key=None)]
    assert findings(tries, [sight("a"), sight("b")]) == []


def test_a_run_after_the_end_was_seen_is_found() -> None:
    runs = [Execution("start", "a", 3.0), Execution("start", "a", 6.0)]
    (found,) = findings([accepted()], [sight(at=5.0)], runs)
    assert found.startswith("repeated: a")


def test_a_run_after_the_end_for_somebody_else_is_allowed() -> None:
    runs = [Execution("start", "a", 3.0), Execution("start", "a", 6.0)]
    tries = [accepted("a", key=None), accepted("b", key=None)]
    assert findings(tries, [sight("a", at=5.0), sight("b", at=7.0)], runs) == []
    assert findings(tries, [sight("a", at=5.0), sight("b", at=5.5)], runs)


def test_a_second_run_before_the_end_was_seen_is_allowed() -> None:
    runs = [Execution("start", "a", 3.0), Execution("start", "a", 4.0)]
    assert findings([accepted()], [sight(at=5.0)], runs) == []


def test_a_run_that_no_post_accounts_for_is_found() -> None:
    runs = [Execution("start", "stranger", 3.0)]
    assert findings([accepted()], [sight()], runs)
    assert findings([accepted(), accepted(status=None)], [sight()], runs) == []


def test_an_internal_error_is_found() -> None:
    assert findings([accepted(), accepted(status=500)], [sight()])


def test_a_job_that_was_half_refused_may_run_where_that_is_said() -> None:
    refused = Try(replace(ORDER, key=None), 1.0, 2.0, 503, code="storage_unavailable")
    full = replace(refused, code="overloaded")
    runs = [Execution("start", "x", 1.5)]
    assert check(ClientLog([refused], []), runs, may_half_refuse=True).is_good
    assert not check(ClientLog([refused], []), runs).is_good
    assert not check(ClientLog([full], []), runs, may_half_refuse=True).is_good
