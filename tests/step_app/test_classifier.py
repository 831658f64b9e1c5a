import csv
import json
import random
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from step_app.errors import InvalidParamsError, StepError, StepFailedError
from step_app.model_loading import LoadedModel
from step_app.runtime import Pixels, Precision, Probabilities, RuntimeChoice, TorchRuntime
from step_app.settings import Settings
from step_app.steps.base import JsonOutput, StepRequest
from step_app.steps.classifier import ClassifierStep, PreparedPhoto, crop_for
from step_app.weights import ModelCard
from tests.step_app.conftest import CLASSIFIER_PARAMS
from tests.step_app.pictures import (
    KINDS,
    SAMPLE_PHOTOS,
    SHARED_PHOTOS,
    encode,
    photo,
    rotated_by_exif,
    small_photo,
)

LABELS = {"koala": "koala", "giant_panda": "giant panda", "espresso": "espresso"}
WHITENED = ("alpha", "RGBA", "transparent", "tRNS")
"""Kinds that show the photo with parts of it laid on white."""
GREY = ("grey", "grayscale", "1-bit", "floats")
"""Kinds that show the photo without its colours."""


def answer(step: ClassifierStep, image: bytes, **params: Any) -> dict[str, Any]:
    outcome = step.run([step.prepare(StepRequest(image, params))])[0]
    assert isinstance(outcome, JsonOutput)
    return dict(outcome.data)


def label(step: ClassifierStep, image: bytes) -> str:
    return str(answer(step, image)["predictions"][0])


def labels_in_readme() -> dict[str, str]:
    """Return the label that the list of sample photos promises for each."""
    text = (SAMPLE_PHOTOS / "README.md").read_text()
    return dict(re.findall(r"^\| `([a-z_]+)\.jpg` \|.*\| ([^|]+), \d\.\d+ \|$", text, re.MULTILINE))


def made_of(
    runtime: Any = None,
    *,
    card: ModelCard,
    digest: str = "d",
    precision: Precision = "f32",
    **params: Any,
) -> ClassifierStep:
    """Make a step of a runtime that need not be real."""
    loaded = LoadedModel(runtime, RuntimeChoice("torch", precision), card, digest)
    return ClassifierStep(loaded, params={**CLASSIFIER_PARAMS, **params})


class BrokenNetwork:
    """A network whose arithmetic overflowed for the second picture of a batch."""

    def infer(self, pixels: Pixels) -> Probabilities:
        rows = np.full((len(pixels), 1000), 0.001, dtype=np.float32)
        rows[1, 3] = np.nan
        return rows


def test_every_sample_photo_gets_the_label_that_its_list_promises(
    classifier: ClassifierStep,
) -> None:
    expected = labels_in_readme()
    assert len(expected) == 12
    assert {name: label(classifier, photo(name)) for name in expected} == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gets_the_label_of_the_picture_that_it_shows(
    classifier: ClassifierStep, kind: str
) -> None:
    for name, expected in LABELS.items():
        sample = KINDS[kind](small_photo(name))
        given = label(classifier, sample.data)
        assert given == label(classifier, encode(sample.shows, "BMP"))
        if not any(word in kind for word in (*GREY, *WHITENED)):
            assert given == expected


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9, 65535])
def test_a_photo_stored_in_any_orientation_gets_the_label_of_the_upright_one(
    classifier: ClassifierStep, image_format: str, orientation: int
) -> None:
    for name, expected in LABELS.items():
        image = rotated_by_exif(small_photo(name, 300), orientation, image_format)
        assert label(classifier, image) == expected


def test_the_same_picture_in_another_orientation_gets_the_same_scores(
    classifier: ClassifierStep,
) -> None:
    upright = small_photo("koala", 300)
    answers = [answer(classifier, rotated_by_exif(upright, n, "PNG")) for n in range(1, 9)]
    assert answers == answers[:1] * 8


def test_an_answer_holds_five_labels_and_scores_best_first(classifier: ClassifierStep) -> None:
    given = answer(classifier, photo("koala"))
    assert given.keys() == {"predictions", "scores", "model"}
    assert given["model"] == "efficientnet_lite0"
    assert len(given["predictions"]) == len(set(given["predictions"])) == len(given["scores"]) == 5
    assert given["scores"] == sorted(given["scores"], reverse=True)
    assert 0.8 < sum(given["scores"]) <= 1
    assert json.loads(json.dumps(given, allow_nan=False)) == given


@pytest.mark.parametrize("top_k", [1, 3, 1000, 7.0])
def test_one_image_may_ask_for_another_number_of_labels(
    classifier: ClassifierStep, top_k: float
) -> None:
    given = answer(classifier, photo("koala"), top_k=top_k)
    assert len(given["predictions"]) == len(given["scores"]) == top_k
    assert given["predictions"][0] == "koala"


def test_images_of_one_batch_may_ask_for_different_numbers(classifier: ClassifierStep) -> None:
    photos = [classifier.prepare(StepRequest(photo("koala"), {"top_k": n})) for n in (1, 7, 2)]
    outcomes = [o for o in classifier.run(photos) if isinstance(o, JsonOutput)]
    assert [len(outcome.data["scores"]) for outcome in outcomes] == [1, 7, 2]


@pytest.mark.parametrize(
    "params",
    [
        {"top_k": 0},
        {"top_k": "3"},
        {"model": "resnet18"},
        {"runtime": "torch"},
        {"precision": "bf16"},
        {"weights": "random"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_params_that_one_image_cannot_have_are_refused(
    classifier: ClassifierStep, params: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParamsError, match=f"{next(iter(params))}|classifier"):
        classifier.prepare(StepRequest(photo("koala"), params))


def test_a_batch_gives_each_photo_what_it_gets_alone(classifier: ClassifierStep) -> None:
    photos = [photo(name) for name in LABELS] * 3
    together = classifier.run([classifier.prepare(StepRequest(image)) for image in photos])
    for image, outcome in zip(photos, together, strict=True):
        assert isinstance(outcome, JsonOutput)
        alone = answer(classifier, image)
        assert outcome.data["predictions"] == alone["predictions"]
        assert outcome.data["scores"] == pytest.approx(alone["scores"], abs=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 20_000), (20_000, 1), (3, 500)])
def test_a_picture_of_any_shape_gets_an_answer(
    classifier: ClassifierStep, size: tuple[int, int]
) -> None:
    given = answer(classifier, encode(Image.new("RGB", size, (90, 120, 30)), "PNG"))
    assert len(given["predictions"]) == 5


@pytest.mark.parametrize("colour", ["black", "white"])
def test_a_picture_of_one_colour_gets_finite_scores(
    classifier: ClassifierStep, colour: str
) -> None:
    given = answer(classifier, encode(Image.new("RGB", (300, 300), colour), "PNG"))
    assert np.isfinite(given["scores"]).all()


def test_scores_that_are_no_numbers_fail_alone(card: ModelCard) -> None:
    step = made_of(BrokenNetwork(), card=card)
    photos = [PreparedPhoto(np.zeros((224, 224, 3), dtype=np.uint8), 5)] * 3
    first, second, third = step.run(photos)
    assert isinstance(second, StepFailedError)
    assert isinstance(first, JsonOutput)
    assert isinstance(third, JsonOutput)


def test_the_crop_is_the_middle_of_the_picture(card: ModelCard) -> None:
    wide = Image.new("RGB", (1024, 256), "red")
    wide.paste("blue", (400, 0, 624, 256))
    crop = crop_for(encode(wide, "PNG"), card)
    assert crop.shape == (card.crop, card.crop, 3)
    assert (crop == (0, 0, 255)).all()


def test_the_crop_is_what_resizing_and_then_cropping_gives(card: ModelCard) -> None:
    picture = small_photo("koala", 640).crop((0, 50, 480, 530))
    resized = picture.resize((card.resize, card.resize), Image.Resampling.BICUBIC)
    near, far = (card.resize - card.crop) // 2, (card.resize + card.crop) // 2
    usual = np.asarray(resized.crop((near, near, far, far)), dtype=int)
    assert np.abs(crop_for(encode(picture, "PNG"), card) - usual).mean() < 0.5


def test_a_large_jpeg_gets_the_label_of_the_small_one(classifier: ClassifierStep) -> None:
    for name, expected in LABELS.items():
        picture = small_photo(name, 640)
        large = picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.BICUBIC)
        assert label(classifier, encode(large, "JPEG", quality=85)) == expected


@pytest.mark.parametrize("image_format", ["JPEG", "BMP"])
def test_a_file_with_one_wrong_byte_gets_an_answer_or_a_step_error(
    classifier: ClassifierStep, image_format: str
) -> None:
    rng = random.Random(image_format)
    data = encode(small_photo("koala", 48), image_format)
    prepared = []
    for _ in range(100):
        mutated = bytearray(data)
        mutated[rng.randrange(len(data))] = rng.randrange(256)
        try:
            prepared.append(classifier.prepare(StepRequest(bytes(mutated))))
        except StepError:
            continue
    outcomes = classifier.run(prepared)
    assert len(outcomes) == len(prepared)
    assert all(isinstance(outcome, JsonOutput) for outcome in outcomes)


def test_the_revision_changes_with_all_that_decides_an_answer(card: ModelCard) -> None:
    other_card = ModelCard(
        "other", card.resize, card.crop, card.mean, card.std, card.interpolation, card.categories
    )
    steps = [
        made_of(card=card),
        made_of(card=card, digest="e"),
        made_of(card=card, precision="bf16"),
        made_of(card=other_card),
    ]
    assert len({step.revision for step in steps}) == len(steps)


def test_the_revision_does_not_change_with_what_each_request_may_choose(card: ModelCard) -> None:
    assert made_of(card=card, top_k=1).revision == made_of(card=card).revision


def test_a_loaded_step_says_what_it_is(classifier: ClassifierStep, step_settings: Settings) -> None:
    assert classifier.description == {
        "model": "efficientnet_lite0",
        "runtime": "openvino",
        "precision": "f32",
    }
    assert step_settings.model_cache_dir is not None


@pytest.mark.skipif(not SHARED_PHOTOS.is_dir(), reason="the labelled photos are not here")
def test_at_least_seven_of_eight_labelled_photos_are_recognised(
    reference: TorchRuntime, card: ModelCard
) -> None:
    with (SHARED_PHOTOS / "labels.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))[::4]
    assert len(rows) >= 64
    classes = np.array([int(row["class_index"]) for row in rows])
    crops = [crop_for((SHARED_PHOTOS / row["file"]).read_bytes(), card) for row in rows]
    best = np.argsort(reference.infer(np.stack(crops)), axis=1)[:, ::-1]
    assert (best[:, 0] == classes).mean() >= 0.875
    assert (best[:, :5] == classes[:, None]).any(axis=1).mean() >= 0.96


@pytest.mark.skipif(not SHARED_PHOTOS.is_dir(), reason="the labelled photos are not here")
def test_the_goldfinch_is_a_goldfinch(classifier: ClassifierStep) -> None:
    image = (SHARED_PHOTOS / "n01531178_goldfinch.JPEG").read_bytes()
    assert label(classifier, image) == "goldfinch"
