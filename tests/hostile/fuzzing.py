"""Decodes damaged files in a process of its own, so that a crash is seen and not suffered.

``python -m tests.hostile.fuzzing FIRST COUNT`` decodes, for each seed, noise behind a PNG's magic,
and one file of every kind with one other byte. It prints how many files it decoded and the
longest time that one of them took, in seconds of processor time.
"""

import sys
import time

from step_app.codec import decode_upright_pixels, decode_upright_rgb
from step_app.contract.limits import MAX_PIXELS
from step_app.errors import StepError, StepFailedError
from tests.hostile import animations, jpegs, pngs
from tests.step_app.pictures import KINDS, encode, small_photo


def main() -> None:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    decoded, slowest_s = 0, 0.0
    samples = seeds_of_every_kind()
    for seed in range(first, first + count):
        files = [pngs.noise_behind_magic(seed)]
        files += [jpegs.mutated(sample, seed) for sample in samples]
        for file in files:
            slowest_s = max(slowest_s, decode(file))
        decoded += len(files)
    sys.stdout.write(f"{decoded} {slowest_s:.3f}\n")


def seeds_of_every_kind() -> list[bytes]:
    """Return small files, so that a byte that is changed is likely one that matters."""
    picture = small_photo("koala", 24)
    files = [make(picture).data for make in KINDS.values()]
    return [
        *files,
        *(encode(picture, "TIFF", compression=name) for name in ("jpeg", "tiff_adobe_deflate")),
        encode(picture.convert("1"), "TIFF", compression="group4"),
        jpegs.with_segments(jpegs.exif(jpegs.exif_loop())),
        animations.gif(3),
        animations.webp(3),
        animations.tiff(animations.tiff_entries(), pictures=2),
        animations.bmp(
            24, 24, bits=8, packing=1, palette=256, pixels=b"\x18\x01\0\0" * 24 + b"\0\1"
        ),
    ]


def decode(file: bytes) -> float:
    """Decode a file both ways; anything but a picture or a judgement ends the process."""
    started = time.process_time()
    for decoder in (decode_upright_rgb, decode_upright_pixels):
        try:
            size = decoder(file).size
        except StepFailedError:
            raise
        except StepError:
            continue
        pixels = size if isinstance(size, int) else size[0] * size[1]
        assert 0 < pixels <= 3 * MAX_PIXELS
    return time.process_time() - started


if __name__ == "__main__":
    main()
