"""Tiles and shared stages with real replicas: who did what, and that it makes no difference."""

import json
import zlib
from typing import Any

import httpx
import pytest

from tests.end_to_end.service import Service, distinct, photo, wait_until
from tests.end_to_end.test_operations import run


@pytest.fixture(autouse=True)
def _operations_are_ready(service: Service) -> None:
    """Two replicas run operations."""

    def ready() -> bool:
        replicas = service.status()["replicas"]
        ready = [r for r in replicas if (r["step"], r["state"]) == ("operations/0", "ready")]
        return len(ready) >= 2

    wait_until(ready, timeout_s=60, what="that both replicas of operations are ready")


def result_of(client: httpx.Client, batch: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = client.get(batch["requests"][0]["status_url"]).json()
    assert document["status"] == "completed", document
    return document


def picture_of(client: httpx.Client, document: dict[str, Any]) -> bytes:
    return client.get(document["result"]["url"]).raise_for_status().content


@pytest.mark.parametrize("output", ["jpg", "png"])
@pytest.mark.parametrize(
    ("step", "params"),
    [
        ("sobel", {"ksize": 5}),
        ("blur", {"method": "bilateral"}),
        ("blur", {"method": "updownsampling", "ksize": 9}),
        ("deblur", {"iterations": 3}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tiled_picture_is_the_whole_one_to_the_last_byte(
    client: httpx.Client, step: str, params: dict[str, Any], output: str
) -> None:
    number = zlib.crc32(f"{step}{params}{output}".encode()) // 2
    pictures = []
    for tiles in (1, 3):
        # Another tail each time: another file, the same picture.
        file = ("koala.jpg", distinct(photo(), number + tiles))
        batch = run(client, [file], [step, {**params, "tiles": tiles}], output=output)
        document = result_of(client, batch)
        pictures.append(picture_of(client, document))
        (run_of_step,) = document["steps"]
    assert pictures[0] == pictures[1]
    chunks = run_of_step["tiles"]
    assert [chunk["tile"] for chunk in chunks] == [0, 1, 2]
    assert sum(chunk["rows"] for chunk in chunks) == document["result"]["height"] == 640
    assert len({chunk["replica"] for chunk in chunks}) == 2, "both replicas had a part in it"
    assert all(chunk["time"] > 0 for chunk in chunks)


def test_tiles_of_a_submission_go_to_every_step_that_can_be_cut(client: httpx.Client) -> None:
    response = client.post(
        "/predict_async", files={"image": ("koala.jpg", photo())}, data={"tiles": "2"}
    )
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_params"
    assert "sobel" in response.json()["detail"]


def test_what_two_chains_begin_with_is_run_once(client: httpx.Client) -> None:
    file = ("koala.jpg", distinct(photo(), 77_001))
    first = result_of(client, run(client, [file], ["resize", "50%"], ["sobel"]))
    second = result_of(client, run(client, [file], ["resize", "50%"], ["blur", "median"]))
    other = result_of(client, run(client, [file], ["resize", "51%"], ["blur", "median"]))
    assert [step.get("from_cache", False) for step in first["steps"]] == [False, False]
    assert [step.get("from_cache", False) for step in second["steps"]] == [True, False]
    assert [step.get("from_cache", False) for step in other["steps"]] == [False, False]
    assert second["steps"][0]["time"] == 0
    assert second["steps"][1]["replica"] == first["steps"][1]["replica"]


def test_two_chains_at_once_share_their_beginning(client: httpx.Client) -> None:
    actions = [
        {"operations": [["resize", "40%"], ["deblur", "wiener"], [step]]}
        for step in ("sobel", "blur")
    ]
    response = client.post(
        "/process",
        data={"actions": json.dumps(actions)},
        files=[("files", ("koala.jpg", distinct(photo(), 77_002)))],
    )
    client.get(response.json()["status_url"], params={"wait": 20})
    results = [client.get(request["status_url"]).json() for request in response.json()["requests"]]
    shared = [[step.get("from_cache", False) for step in result["steps"]] for result in results]
    assert sorted(shared) == [[False, False, False], [True, True, False]]


def test_every_step_is_named_in_the_headers_of_its_result(client: httpx.Client) -> None:
    batch = run(client, [("koala.jpg", photo())], ["resize", "45%"], ["blur"], ["sobel"])
    response = client.get(batch["requests"][0]["status_url"])
    times = [float(response.headers[f"x-step-{number}-time"]) for number in range(3)]
    assert times == pytest.approx([step["time"] for step in response.json()["steps"]], abs=1e-5)


def test_grayscale_tells_what_each_number_of_threads_took(client: httpx.Client) -> None:
    operation = ["grayscale", {"threads": [1, 2, 4], "passes": 2, "repeats": 3}]
    document = result_of(client, run(client, [("koala.jpg", photo())], operation))
    timings = document["result"]["timings"]
    assert [timing["threads"] for timing in timings] == [1, 2, 4]
    for timing in timings:
        assert 0 < timing["kernel_s"] < timing["total_s"]
        assert timing["speed_up"] == pytest.approx(timings[0]["kernel_s"] / timing["kernel_s"])
        megapixels = 480 * 640 * 2 / 1e6
        assert timing["megapixels_per_s"] == pytest.approx(megapixels / timing["kernel_s"])
