"""Ten thousand damaged files of every kind: none ends a process or holds it up (row C28)."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.dispatcher.forms import CONTENT_TYPE, Part, form, text
from tests.end_to_end.service import Service
from tests.hostile import jpegs
from tests.hostile.fuzzing import seeds_of_every_kind
from tests.hostile.invariants import check_in_time
from tests.hostile.wire import send

PROJECT = Path(__file__).parents[2]
SHORT, LONG = 300, 10_000
DECODED_WITHIN_S = 2.0
FILES_AT_ONCE = 200
ACCEPTABLE_ENDS = {"image_corrupt", "image_truncated", "image_too_large", "image_too_complex"}
ACCEPTABLE_ENDS |= {"unsupported_image_type", "too_many_frames", "empty_file"}


def run_fuzzing(first: int, count: int) -> tuple[int, float]:
    """Return how many files were decoded, and the longest time for one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.fuzzing", str(first), str(count)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=7000,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    decoded, slowest_s = done.stdout.split()
    return int(decoded), float(slowest_s)


def test_no_damaged_file_ends_or_holds_up_a_decoder(seed: int, is_long: bool) -> None:
    seeds = LONG if is_long else SHORT
    half = seeds // 2
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(run_fuzzing, [seed, seed + half], [half, half]))
    assert sum(decoded for decoded, _ in runs) >= seeds * 30
    assert max(slowest_s for _, slowest_s in runs) < DECODED_WITHIN_S


def test_damaged_files_of_a_batch_are_judged_one_by_one(
    service: Service, client: httpx.Client, seed: int
) -> None:
    dice = random.Random(seed)
    samples = seeds_of_every_kind()
    files = [
        Part(name="files", filename="a", data=jpegs.mutated(dice.choice(samples), seed + number))
        for number in range(FILES_AT_ONCE)
    ]
    actions = text("actions", json.dumps({"operations": [["resize", "8x8"]]}))
    headers = [(b"Content-Type", CONTENT_TYPE)]
    answer = send(f"{service.url}/process", form(actions, *files), headers=headers)
    assert answer.status == 202, answer.body
    check_in_time(answer)
    url = f"/batch/{answer.document()['batch_id']}"
    batch = client.get(url, params={"wait": 30}).json()
    assert batch["is_done"]
    codes = {file["error"]["code"] for file in batch["requests"] if file["error"]}
    assert codes <= ACCEPTABLE_ENDS
    assert 0 < batch["counts"]["completed"] < FILES_AT_ONCE
