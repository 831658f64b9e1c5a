from collections.abc import Sequence
from typing import Any

import pytest

from dispatcher.execution.plan import (
    Segment,
    params_of,
    plan,
    request_params,
    weight_bytes,
)
from dispatcher.jobs import Job
from dispatcher.pipelines.model import Stage
from dispatcher.pipelines.overrides import Overrides
from step_app.contract.pictures import MEDIA_TYPES, RAW_MEDIA_TYPE
from tests.dispatcher.execution.chains import dedicated, hosted
from tests.dispatcher.records import make_job, make_pipeline

RAW = RAW_MEDIA_TYPE


def plan_of(*stages: Stage, **changes: Any) -> list[Segment]:
    return plan(make_pipeline(*stages), job_of(**changes))


def job_of(**changes: Any) -> Job:
    return make_job(**({"media_type": "image/png"} | changes))


def types_in(segments: Sequence[Segment]) -> list[list[str]]:
    return [[stage.type for stage in segment.stages] for segment in segments]


# Who travels together


def test_stages_that_share_a_pool_travel_together() -> None:
    (segment,) = plan_of(hosted("0", "resize"), hosted("1", "sobel"), hosted("2", "blur"))
    assert types_in([segment]) == [["resize", "sobel", "blur"]]
    assert (str(segment.key), segment.first, segment.tiles) == ("operations/0", 0, 1)


def test_stages_with_pools_of_their_own_travel_one_by_one() -> None:
    segments = plan_of(dedicated("a", "resize"), dedicated("b", "sobel"), dedicated("c", "blur"))
    assert types_in(segments) == [["resize"], ["sobel"], ["blur"]]
    assert [str(segment.key) for segment in segments] == ["default/a", "default/b", "default/c"]
    assert [segment.first for segment in segments] == [0, 1, 2]


def test_one_step_twice_in_its_own_pool_travels_twice() -> None:
    stage = dedicated("a", "blur")
    assert types_in(plan_of(stage, stage)) == [["blur"], ["blur"]]


def test_a_stage_that_is_cut_into_tiles_travels_alone() -> None:
    segments = plan_of(
        hosted("0", "resize"),
        hosted("1", "grayscale"),
        hosted("2", "sobel", tiles=4),
        hosted("3", "blur"),
        hosted("4", "split"),
    )
    assert types_in(segments) == [["resize", "grayscale"], ["sobel"], ["blur", "split"]]
    assert [segment.tiles for segment in segments] == [1, 4, 1]
    assert [segment.first for segment in segments] == [0, 2, 3]


def test_two_stages_in_a_row_that_are_cut_into_tiles_travel_apart() -> None:
    segments = plan_of(hosted("0", "sobel", tiles=2), hosted("1", "blur", tiles=2))
    assert types_in(segments) == [["sobel"], ["blur"]]
    assert [segment.tiles for segment in segments] == [2, 2]


def test_one_tile_is_the_whole_picture_and_travels_with_others() -> None:
    assert len(plan_of(hosted("0", "resize"), hosted("1", "sobel", tiles=1))) == 1


def test_tiles_that_a_job_asks_for_count_like_configured_ones() -> None:
    segments = plan_of(
        hosted("0", "resize"), hosted("1", "sobel", tiles=1), overrides={"1": {"tiles": 3}}
    )
    assert [segment.tiles for segment in segments] == [1, 3]
    (segment,) = plan_of(dedicated("a", "blur", {"tiles": 8}), overrides={"a": {"tiles": 1}})
    assert segment.tiles == 1


def test_a_classifier_at_the_end_travels_alone() -> None:
    segments = plan_of(hosted("0", "resize"), hosted("1", "sobel"), dedicated("2", "classifier"))
    assert types_in(segments) == [["resize", "sobel"], ["classifier"]]
    assert [segment.output for segment in segments] == ["image/png", ""]
    assert [segment.first for segment in segments] == [0, 2]


def test_a_classifier_alone_is_one_segment_that_gives_no_picture() -> None:
    (segment,) = plan_of(dedicated("0", "classifier"))
    assert (segment.output, segment.tiles) == ("", 1)


def test_hosted_stages_around_another_pool_travel_apart() -> None:
    segments = plan_of(hosted("0", "resize"), dedicated("x", "deblur"), hosted("2", "blur"))
    assert types_in(segments) == [["resize"], ["deblur"], ["blur"]]


@pytest.mark.parametrize("count", range(1, 8))
def test_every_stage_is_in_one_segment_in_its_order(count: int) -> None:
    kinds = ("resize", "sobel", "blur")
    stages = [hosted(str(n), kinds[n % 3], tiles=1 + n % 2) for n in range(count)]
    segments = plan_of(*stages)
    assert [stage for segment in segments for stage in segment.stages] == stages
    for segment in segments:
        assert stages[segment.first] == segment.stages[0]


# What comes out


def test_between_segments_pictures_are_raw_and_the_last_is_delivered() -> None:
    segments = plan_of(dedicated("a", "resize"), dedicated("b", "sobel"), dedicated("c", "blur"))
    assert [segment.output for segment in segments] == [RAW, RAW, "image/png"]
    assert [segment.is_final for segment in segments] == [False, False, True]


@pytest.mark.parametrize("media_type", sorted(MEDIA_TYPES.values()))
def test_a_picture_is_delivered_in_the_format_of_the_one_that_was_sent(media_type: str) -> None:
    (segment,) = plan_of(hosted("0", "blur"), media_type=media_type)
    assert segment.output == media_type


@pytest.mark.parametrize("media_type", ["image/gif", "", RAW, "image/x-unheard-of"])
def test_what_is_not_delivered_as_it_came_becomes_a_png(media_type: str) -> None:
    (segment,) = plan_of(hosted("0", "blur"), media_type=media_type)
    assert segment.output == "image/png"


@pytest.mark.parametrize(
    ("name", "media_type"), [("jpg", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp")]
)
def test_a_stage_may_name_the_format(name: str, media_type: str) -> None:
    (segment,) = plan_of(hosted("0", "blur", output=name), media_type="image/bmp")
    assert segment.output == media_type


def test_of_several_stages_that_name_a_format_the_last_one_wins() -> None:
    (segment,) = plan_of(
        hosted("0", "resize", output="webp"),
        hosted("1", "sobel", output="jpg"),
        hosted("2", "blur"),
    )
    assert segment.output == "image/jpeg"


def test_a_format_that_an_earlier_segment_names_is_that_of_the_delivered_picture() -> None:
    segments = plan_of(dedicated("a", "resize", {"output": "webp"}), dedicated("b", "sobel"))
    assert [segment.output for segment in segments] == [RAW, "image/webp"]


def test_a_format_that_is_null_is_not_named() -> None:
    (segment,) = plan_of(hosted("0", "resize", output="webp"), hosted("1", "blur", output=None))
    assert segment.output == "image/webp"


def test_a_job_may_name_the_format() -> None:
    stages = (dedicated("a", "resize", {"output": "png"}), dedicated("b", "blur"))
    segments = plan_of(*stages, overrides={"b": {"output": "jpg"}})
    assert segments[-1].output == "image/jpeg"
    segments = plan_of(*stages, overrides={"a": {"output": None}}, media_type="image/bmp")
    assert segments[-1].output == "image/bmp"


def test_pictures_before_a_classifier_are_delivered() -> None:
    segments = plan_of(
        dedicated("a", "resize"), dedicated("b", "blur"), dedicated("c", "classifier")
    )
    assert [segment.output for segment in segments] == [RAW, "image/png", ""]


def test_a_tiled_stage_in_the_middle_gives_raw_pictures() -> None:
    segments = plan_of(hosted("0", "sobel", tiles=4), hosted("1", "blur"), media_type="image/jpeg")
    assert [segment.output for segment in segments] == [RAW, "image/jpeg"]


# What a replica is asked


def test_a_hosted_chain_tells_types_and_params() -> None:
    stages = [hosted("0", "resize", size="50%"), hosted("1", "sobel", ksize=3)]
    assert request_params(stages, {}) == {
        "operations": [["resize", {"size": "50%"}], ["sobel", {"ksize": 3}]]
    }


def test_overrides_are_told_in_place_of_what_was_configured() -> None:
    stages = [hosted("0", "resize", size="50%", output=None), hosted("1", "sobel", ksize=3)]
    overrides: Overrides = {"0": {"size": "200"}, "2": {"ksize": 7}}
    assert request_params(stages, overrides) == {
        "operations": [["resize", {"size": "200", "output": None}], ["sobel", {"ksize": 3}]]
    }


def test_a_replica_of_one_step_is_told_only_what_the_job_changes() -> None:
    stage = dedicated("a", "blur", {"ksize": 5})
    assert request_params([stage], {}) == {}
    overrides = {"a": {"ksize": 7}, "b": {"ksize": 9}}
    assert request_params([stage], overrides) == {"ksize": 7}


def test_the_params_in_force_are_those_configured_and_then_those_of_the_job() -> None:
    stage = dedicated("a", "blur", {"ksize": 5, "method": "median"})
    assert params_of(stage, {"a": {"ksize": 7}}) == {"ksize": 7, "method": "median"}
    assert params_of(stage, {"b": {"ksize": 7}}) == {"ksize": 5, "method": "median"}


# What it weighs


def test_a_picture_weighs_three_bytes_a_pixel() -> None:
    assert weight_bytes(50, 20, [hosted("0", "blur"), hosted("1", "sobel")], {}) == 3000


@pytest.mark.parametrize(("params", "factor"), [({}, 4), ({"scale": 1}, 1), ({"scale": 8}, 64)])
def test_a_picture_that_is_made_larger_weighs_what_it_becomes(
    params: dict[str, int], factor: int
) -> None:
    assert weight_bytes(50, 20, [dedicated("a", "upscaling", params)], {}) == 3000 * factor


def test_scales_multiply_along_a_chain() -> None:
    stages = [hosted("0", "upscaling", scale=2), hosted("1", "blur"), hosted("2", "upscaling")]
    assert weight_bytes(50, 20, stages, {}) == 3000 * 4 * 4


def test_a_scale_that_a_job_asks_for_counts() -> None:
    stage = dedicated("a", "upscaling", {"scale": 2})
    assert weight_bytes(50, 20, [stage], {"a": {"scale": 4}}) == 3000 * 16


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        ("200x300", 60_000),
        ("200%", 4000),
        ("50%", 1000),
        (".5%", 1000),
        ("10x10", 1000),
        ("100", 4000),
        ("100x", 4000),
        (100, 4000),
        ("x40", 4000),
        ("x10", 1000),
    ],
)
def test_a_picture_that_is_resized_weighs_what_it_was_or_becomes(
    size: str | int, pixels: int
) -> None:
    assert weight_bytes(50, 20, [hosted("0", "resize", size=size)], {}) == 3 * pixels


def test_what_is_resized_and_then_made_larger_weighs_the_largest() -> None:
    stages = [hosted("0", "resize", size="10x10"), hosted("1", "upscaling", scale=8)]
    assert weight_bytes(50, 20, stages, {}) == 3 * 80 * 80
    assert weight_bytes(500, 200, stages, {}) == 3 * 500 * 200


@pytest.mark.parametrize("size", ["200", "x200", "200%", ".01%"])
def test_a_picture_of_unknown_size_cannot_be_weighed_and_is_not(size: str) -> None:
    assert weight_bytes(0, 0, [hosted("0", "resize", size=size)], {}) == 0


def test_a_picture_of_unknown_size_weighs_nothing() -> None:
    assert weight_bytes(0, 0, [hosted("0", "upscaling")], {}) == 0
