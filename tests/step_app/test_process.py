"""The replica as a process of its own: how it starts, serves, refuses to start and ends."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from step_app.contract.frames import BATCH_MEDIA_TYPE, BatchItem, decode_reply, encode_batch
from step_app.contract.limits import EXIT_CONFIGURATION
from tests.step_app.pictures import photo
from tests.step_app.replica_process import ReplicaProcess, pipeline, replica_process
from tests.step_app.replying import bytes_of

NOT_A_STATE_DICT = "/this/is/no/state-dict.pth"
"""Stands for a file that the tests write, wherever that is."""
MISCONFIGURED = {
    "unknown model": (
        {"PIPELINE_CONFIG": pipeline({"model": "resnet19"})},
        "error: unknown model 'resnet19'",
    ),
    "unknown step type": (
        {"PIPELINE_CONFIG": pipeline({}, step_type="sharpening")},
        "error: unknown step type 'sharpening'",
    ),
    "missing weights file": (
        {"PIPELINE_CONFIG": pipeline({"weights": "/nowhere/weights.pth"})},
        "error: weights of efficientnet_lite0: there is no file /nowhere/weights.pth",
    ),
    "weights that are no state dict": (
        {"PIPELINE_CONFIG": pipeline({"weights": NOT_A_STATE_DICT})},
        f"error: weights of efficientnet_lite0: {NOT_A_STATE_DICT} holds no state dict of it",
    ),
    "unknown param": (
        {"PIPELINE_CONFIG": pipeline({"topk": 3})},
        "error: step 0 (classifier): classifier: ",
    ),
    "no pipeline at all": ({"PIPELINE_CONFIG": "[1]"}, "error: PIPELINE_CONFIG must be a mapping"),
    "no port": ({"SERVICE_PORT": "http"}, "error: SERVICE_PORT: "),
}


def batch_of(*images: bytes) -> bytes:
    items = [BatchItem(id=str(n), filename=f"{n}.jpg", image=i) for n, i in enumerate(images)]
    return b"".join(encode_batch(items))


def all_gone(family: list[psutil.Process]) -> bool:
    return psutil.wait_procs(family, timeout=10)[1] == []


@pytest.fixture(scope="module")
def replica(
    tmp_path_factory: pytest.TempPathFactory, model_cache_dir: Path
) -> Iterator[ReplicaProcess]:
    """One running replica, for the tests that do not end it."""
    folder = tmp_path_factory.mktemp("replica")
    with replica_process(folder, MODEL_CACHE_DIR=str(model_cache_dir)) as started:
        started.wait_until_ready()
        yield started


@pytest.fixture
def client(replica: ReplicaProcess) -> Iterator[httpx.Client]:
    with replica.client() as client:
        yield client


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """The exit status and the complaint of replicas that can never start, all tried at once."""
    folder = tmp_path_factory.mktemp("misconfigured")
    path = str(folder / "weights.pth")
    Path(path).write_bytes(b"this is no state dict")
    with ExitStack() as stack:
        started = {}
        for name, (environment, _) in MISCONFIGURED.items():
            told = {
                key: value.replace(NOT_A_STATE_DICT, path) for key, value in environment.items()
            }
            started[name] = stack.enter_context(replica_process(folder, **told))
        return {
            name: (child.wait_for_exit(), child.complaint().replace(path, NOT_A_STATE_DICT))
            for name, child in started.items()
        }


def test_a_ready_replica_says_what_it_has_loaded(client: httpx.Client) -> None:
    answer = client.get("/readyz").json()
    assert answer.pop("revision")
    assert answer == {
        "status": "ready",
        "type": "classifier",
        "step_id": "0",
        "max_batch_size": 8,
        "model": "efficientnet_lite0",
        "runtime": "openvino",
        "precision": "f32",
    }


def test_health_and_liveness_are_answered(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "healthy"}
    assert client.get("/livez").status_code == 200


def test_predict_classifies_one_image_of_a_form(client: httpx.Client) -> None:
    answer = client.post("/predict", files={"image": ("koala.jpg", photo("koala"), "image/jpeg")})
    assert answer.status_code == 200
    document = answer.json()
    assert document["filename"] == "koala.jpg"
    assert document["predictions"][0] == "koala"
    assert 0 < document["inference_time"] < 30


def test_process_says_how_long_its_step_took(client: httpx.Client) -> None:
    answer = client.post("/process", content=photo("giant_panda"))
    assert answer.json()["predictions"][0] == "giant panda"
    assert answer.json()["inference_time"] < float(answer.headers["X-Step-0-Time"]) < 30


def test_one_bad_image_of_a_batch_is_answered_alone(client: httpx.Client) -> None:
    espresso = photo("espresso")
    images = [photo("koala"), espresso[: len(espresso) // 2], b"", espresso]
    answer = client.post("/process_batch", content=batch_of(*images))
    assert answer.headers["content-type"] == BATCH_MEDIA_TYPE
    reply = decode_reply(answer.content, expected_ids=["0", "1", "2", "3"])
    assert [item.status for item in reply.items] == [200, 422, 422, 200]
    assert b'"koala"' in bytes_of(reply.items[0])
    assert b'"image_truncated"' in bytes_of(reply.items[1])
    assert b'"empty_file"' in bytes_of(reply.items[2])
    assert b'"espresso"' in bytes_of(reply.items[3])


def test_many_clients_at_once_get_each_its_own_answer(client: httpx.Client) -> None:
    names = ["koala", "espresso"] * 12
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client.post("/process", content=photo(n)), names))
    assert [answer.json()["predictions"][0] for answer in answers] == names


def test_a_replica_told_to_end_answers_what_it_has_accepted_first(
    tmp_path: Path, model_cache_dir: Path
) -> None:
    body = batch_of(*[photo("koala")] * 100)
    with (
        replica_process(tmp_path, MODEL_CACHE_DIR=str(model_cache_dir)) as replica,
        replica.client() as client,
        ThreadPoolExecutor(1) as pool,
    ):
        replica.wait_until_ready()
        family = replica.family()
        pending = pool.submit(client.post, "/process_batch", content=body)
        replica.wait_until(
            "/metrics", lambda answer: "step_batch_size_count 0.0" not in answer.text
        )
        assert not pending.done()
        replica.popen.send_signal(signal.SIGTERM)
        reply = decode_reply(
            pending.result(timeout=30).content, expected_ids=[str(n) for n in range(100)]
        )
        assert {item.status for item in reply.items} == {200}
        assert replica.wait_for_exit() in (0, -signal.SIGTERM)
        assert all_gone(family)
        assert "Traceback" not in replica.complaint()


def test_a_replica_ends_when_the_process_that_started_it_is_gone(
    tmp_path: Path, model_cache_dir: Path
) -> None:
    told = {"MODEL_CACHE_DIR": str(model_cache_dir), "EXIT_WITH_PARENT": "1"}
    with replica_process(tmp_path, **told) as replica:
        replica.wait_until_ready()
        family = replica.family()
        assert replica.popen.stdin is not None
        replica.popen.stdin.close()
        assert replica.wait_for_exit() == 0
        assert all_gone(family)
        assert replica.complaint() == ""


def test_a_replica_killed_while_it_makes_its_model_leaves_no_process(tmp_path: Path) -> None:
    with replica_process(tmp_path, MODEL_CACHE_DIR=str(tmp_path / "models")) as replica:
        # The replica, its helper and multiprocessing's own resource tracker.
        replica.wait_until("/health", lambda _: len(replica.family()) > 2)
        family = replica.family()
        replica.popen.kill()
        assert all_gone(family)
    assert not list((tmp_path / "models").glob("*/entry.json")), "the helper worked to the end"


def test_a_replica_that_gives_pictures_says_how_long_its_start_took(tmp_path: Path) -> None:
    started = time.monotonic()
    config = pipeline({"threads": [1, 2]}, step_type="grayscale")
    with (
        replica_process(tmp_path, PIPELINE_CONFIG=config) as replica,
        replica.client() as client,
    ):
        replica.wait_until_ready()
        ready_s = time.monotonic() - started
        answer = client.post("/process", content=photo("koala"))
        assert answer.headers["content-type"] == "image/jpeg"
        assert 0 < float(answer.headers["X-Step-0-Time"]) < 30
        lines = client.get("/metrics").text.splitlines()
        (told,) = (line for line in lines if line.startswith("grayscale_startup_seconds "))
        # The kernel counts the start of a process in hundredths of a second.
        assert ready_s / 2 < float(told.split()[1]) < time.monotonic() - started + 0.02
        assert "grayscale_process_seconds_count 2.0" in lines
        assert client.post("/predict", files={"image": photo("koala")}).status_code == 400


def test_a_replica_may_outlive_its_standard_input_unless_told_otherwise(
    replica: ReplicaProcess, client: httpx.Client
) -> None:
    assert replica.popen.stdin is not None
    replica.popen.stdin.close()
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("mistake", MISCONFIGURED)
def test_a_replica_that_can_never_start_says_why_in_one_line(
    refusals: dict[str, tuple[int, str]], mistake: str
) -> None:
    status, complaint = refusals[mistake]
    assert status == EXIT_CONFIGURATION == 78
    lines = complaint.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(MISCONFIGURED[mistake][1])


def test_a_replica_whose_step_breaks_while_it_loads_ends_instead_of_never_getting_ready(
    tmp_path: Path,
) -> None:
    no_folder = tmp_path / "models"
    no_folder.write_bytes(b"a file where the model cache should be")
    with replica_process(tmp_path, MODEL_CACHE_DIR=str(no_folder)) as replica:
        assert replica.wait_for_exit() == 1
        assert "the step could not be loaded" in replica.complaint()
