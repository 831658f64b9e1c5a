"""When each stage began, as far as the answers tell."""

import pytest

from dispatcher.execution.attempts import Attempted
from dispatcher.execution.chunks import Chunk
from dispatcher.execution.stage_runs import data_run, reused_run, stage_runs, tiled_run
from dispatcher.pools.parcel import Answer
from step_app.contract.pictures import PictureReply
from tests.dispatcher.execution.chains import dedicated

STAGES = (dedicated("a", "resize"), dedicated("b", "blur"))
REPLICA = "http://127.0.0.1:5000"


def attempted(duration_s: float, *, answered_at: float | None = 100.0) -> Attempted:
    answer = Answer(PictureReply(pictures=(), timings_s=()), duration_s, "r1", REPLICA)
    return Attempted(answer, 1, answered_at=answered_at)


def test_stages_of_one_answer_followed_each_other_until_it_came() -> None:
    runs = stage_runs(STAGES, [0.5, 0.25], attempted(0.75), reused=1)
    assert [run.began_at for run in runs] == pytest.approx([99.25, 99.75])
    assert [run.duration_s for run in runs] == [0.5, 0.25]
    assert [run.from_cache for run in runs] == [True, False]


def test_a_stage_that_gave_data_began_when_its_answer_came_less_what_it_took() -> None:
    assert data_run(STAGES[0], attempted(2.0)).began_at == pytest.approx(98.0)


def test_each_tile_began_by_its_own_answer_and_the_stage_with_its_slowest() -> None:
    chunks = [Chunk(attempted(0.5, answered_at=101.0)), Chunk(attempted(2.0))]
    run = tiled_run(STAGES[0], chunks, [16, 20])
    assert [chunk.began_at for chunk in run.chunks] == pytest.approx([100.5, 98.0])
    assert run.began_at == pytest.approx(98.0)
    assert run.duration_s == 2.0


def test_what_others_had_computed_and_what_nobody_did_began_at_no_moment_known() -> None:
    others = Chunk(attempted(0.5, answered_at=None), dispatcher="other")
    assert tiled_run(STAGES[0], [others], [16]).chunks[0].began_at is None
    assert reused_run(STAGES[0]).began_at is None
