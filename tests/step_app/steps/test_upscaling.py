import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from step_app.errors import (
    ConfigurationError,
    ImageTooLargeError,
    InvalidParamsError,
    StepFailedError,
    WeightsMissingError,
)
from step_app.steps.operation import Operation, Pixels
from step_app.steps.upscaling import load_upscaling
from tests.step_app.steps.chunks import (
    SETTINGS,
    apply_one,
    grey_of,
    noise,
    params_of,
    photo_pixels,
    psnr,
    sample_photos,
)
from tests.step_app.steps.networks import (
    save_classifier,
    save_fixed_size,
    save_logarithm,
    save_nearest,
    save_onnx_nearest,
)

UPSCALING = load_upscaling(params_of("upscaling"), SETTINGS)


def load(method: str, scale: int = 2) -> Operation:
    return load_upscaling(params_of("upscaling", method=method, scale=scale), SETTINGS)


def repeated(picture: Pixels, scale: int = 2) -> Pixels:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize("scale", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("method", "interpolation"), [("lanczos", cv2.INTER_LANCZOS4), ("bicubic", cv2.INTER_CUBIC)]
)
def test_pixels_are_the_librarys_own(method: str, interpolation: int, scale: int) -> None:
    photo = photo_pixels("honey_bee", 90)
    params = params_of("upscaling", method=method, scale=scale)

    for picture in (photo, grey_of(photo), noise(1, 1), noise(3, 2)):
        size = (picture.shape[1] * scale, picture.shape[0] * scale)
        expected = cv2.resize(picture, size, interpolation=interpolation)
        assert np.array_equal(apply_one(UPSCALING, picture, params), expected)


@pytest.mark.parametrize("scale", [2, 3])
def test_lanczos_is_nearer_to_the_original_than_bicubic(scale: int) -> None:
    levels: dict[str, list[float]] = {"lanczos": [], "bicubic": []}
    for photo in sample_photos():
        height, width = photo.shape[0] // scale, photo.shape[1] // scale
        original = photo[: height * scale, : width * scale]
        small = cv2.resize(original, (width, height), interpolation=cv2.INTER_AREA)
        for method, found in levels.items():
            params = params_of("upscaling", method=method, scale=scale)
            made = apply_one(UPSCALING, np.asarray(small, dtype=np.uint8), params)
            found.append(psnr(made, original))

    assert np.mean(levels["lanczos"]) > np.mean(levels["bicubic"]) > 25


@pytest.mark.parametrize(("height", "width"), [(4000, 4000), (2, 10_001)])
def test_a_result_beyond_the_limits_is_refused(height: int, width: int) -> None:
    with pytest.raises(ImageTooLargeError, match=f"{width * 2} x {height * 2}"):
        UPSCALING.apply(np.zeros((height, width), np.uint8), params_of("upscaling"))


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_network_in_colour_upscales_colour_and_grey(tmp_path: Path, scale: int) -> None:
    method = save_nearest(tmp_path / "rgb.xml", scale=scale)
    operation = load(method, scale)
    params = params_of("upscaling", method=method, scale=scale)

    for picture in (noise(30, 47), noise(30, 47, channels=1), noise(1, 1)):
        assert np.array_equal(apply_one(operation, picture, params), repeated(picture, scale))


def test_a_network_for_luma_leaves_chroma_to_interpolation(tmp_path: Path) -> None:
    method = save_nearest(tmp_path / "luma.xml", channels=1)
    operation, params = load(method), params_of("upscaling", method=method)
    photo = photo_pixels("scarlet_macaw", 80)
    parts = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2YCrCb), dtype=np.uint8)
    size = (photo.shape[1] * 2, photo.shape[0] * 2)
    expected = np.asarray(cv2.resize(parts, size, interpolation=cv2.INTER_CUBIC))
    expected[:, :, 0] = repeated(parts[:, :, 0])

    made = apply_one(operation, photo, params)

    assert np.array_equal(made, cv2.cvtColor(expected, cv2.COLOR_YCrCb2RGB))
    assert np.array_equal(apply_one(operation, grey_of(photo), params), repeated(grey_of(photo)))


def test_networks_are_read_from_onnx_too(tmp_path: Path) -> None:
    method = save_onnx_nearest(tmp_path / "rgb.onnx")
    operation = load(method)

    made = apply_one(operation, noise(20, 31), params_of("upscaling", method=method))

    assert np.array_equal(made, repeated(noise(20, 31)))


def test_a_network_exported_for_one_size_takes_others(tmp_path: Path) -> None:
    method = save_fixed_size(tmp_path / "fixed.xml")

    made = apply_one(load(method), noise(9, 70), params_of("upscaling", method=method))

    assert np.array_equal(made, repeated(noise(9, 70)))


def test_what_a_network_overshoots_is_cut_off(tmp_path: Path) -> None:
    method = save_nearest(tmp_path / "bright.xml", factor=2)
    picture = noise(20)

    made = apply_one(load(method), picture, params_of("upscaling", method=method))

    assert np.array_equal(made, repeated(np.minimum(picture.astype(int) * 2, 255).astype(np.uint8)))


def test_a_network_that_gives_no_numbers_fails(tmp_path: Path) -> None:
    method = save_logarithm(tmp_path / "broken.xml")
    black = np.zeros((20, 20, 3), np.uint8)

    with pytest.raises(StepFailedError, match="finite"):
        load(method).apply(black, params_of("upscaling", method=method))


def test_a_replica_with_a_network_interpolates_as_well(tmp_path: Path) -> None:
    operation = load(save_nearest(tmp_path / "rgb.xml"))
    params = params_of("upscaling", scale=3)

    assert np.array_equal(
        apply_one(operation, noise(20), params), apply_one(UPSCALING, noise(20), params)
    )


def test_only_the_network_that_is_loaded_can_be_asked_for(tmp_path: Path) -> None:
    method = save_nearest(tmp_path / "rgb.xml")
    operation = load(method)

    with pytest.raises(InvalidParamsError, match=r"^method: "):
        operation.apply(noise(9), params_of("upscaling", method="other.onnx"))
    with pytest.raises(InvalidParamsError, match=r"^method: "):
        UPSCALING.apply(noise(9), params_of("upscaling", method=method))
    with pytest.raises(InvalidParamsError, match=r"^scale: the network of this replica has 2"):
        operation.apply(noise(9), params_of("upscaling", method=method, scale=3))


def test_the_revision_names_the_network(tmp_path: Path) -> None:
    plain = Path(save_nearest(tmp_path / "plain.xml"))
    bright = Path(save_nearest(tmp_path / "bright.xml", factor=1.5))
    for path in (plain, plain.with_suffix(".bin")):
        shutil.copy(path, tmp_path / f"copy{path.suffix}")
    shutil.copy(plain, tmp_path / "mixed.xml")
    shutil.copy(bright.with_suffix(".bin"), tmp_path / "mixed.bin")

    names = ("plain", "bright", "mixed", "copy")
    revisions = [load(str(tmp_path / f"{name}.xml")).revision for name in names]

    assert len({UPSCALING.revision, *revisions[:3]}) == 4
    assert revisions[3] == revisions[0]


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match=r"there is no file .*absent\.onnx"):
        load(str(tmp_path / "absent.onnx"))


@pytest.mark.parametrize("name", ["garbage.onnx", "garbage.xml", "empty.onnx"])
def test_a_file_that_is_no_network_cannot_be_used(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"" if "empty" in name else b"no network at all")

    with pytest.raises(ConfigurationError, match="cannot be used"):
        load(str(path))


def test_a_network_of_another_factor_does_not_fit(tmp_path: Path) -> None:
    method = save_nearest(tmp_path / "rgb.xml", scale=3)

    with pytest.raises(ConfigurationError, match="does not make pictures 2 times as large"):
        load(method, scale=2)


def test_a_network_for_something_else_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it takes 2 channels, not 1 or 3"):
        load(save_nearest(tmp_path / "two.xml", channels=2))
    with pytest.raises(ConfigurationError, match="does not make pictures"):
        load(save_classifier(tmp_path / "classifier.xml"))
