import asyncio
from pathlib import Path

import pytest
from yarl import URL

from tests.load_tester.mock_service.process import running_mock, write_images
from tests.load_tester.mock_service.script import Script
from tests.load_tester.mock_service.truth import Fault
from tests.load_tester.swarm.locust_process import finish, run_locust, start_locust
from tests.load_tester.targets.test_discovery import cluster, service
from tests.ports import free_port

FAULTS = Script(service_s=0.02, errors=0.2, wrong_labels=0.1, lost=0.1)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    write_images(folder, count=5, size_bytes=2000)
    return folder


def test_locust_counts_every_image_and_every_fault_of_a_dispatcher(
    tmp_path: Path, images: Path
) -> None:
    with running_mock(FAULTS) as mock:
        report = run_locust(
            tmp_path,
            *("--host", mock.url, "--images", str(images), "--check", "labels"),
            *("--curve", "flat", "--users", "15", "--duration", "3", "--spawn-rate", "30"),
        )
        truth = mock.tell()
    faults = truth.faults()
    # About 15 a second; each user sends at least the one that it starts with.
    assert len(truth.jobs) >= 15
    assert report.rows["POST /predict_async"].requests == len(truth.jobs)
    assert report.rows["POST /predict_async"].failures == faults[Fault.ERROR]
    assert report.rows["GET /result/[id]"].failures == faults[Fault.LOST]
    assert report.rows["IMAGE end to end"].requests == len(truth.jobs)
    assert report.rows["IMAGE end to end"].failures == len(truth.jobs) - faults[Fault.NONE]
    assert set(faults) == {Fault.NONE, Fault.ERROR, Fault.LOST, Fault.WRONG_LABEL}
    assert report.exit_code == 1


def test_the_users_follow_the_curve_and_the_steps_of_a_replica_are_figures_of_their_own(
    tmp_path: Path, images: Path
) -> None:
    with running_mock(Script(service_s=0.02)) as mock:
        report = run_locust(
            tmp_path,
            *("--host", mock.url, "--images", str(images), "--target", "replica"),
            *("--curve", "step", "--users", "10", "--duration", "4", "--spawn-rate", "50"),
        )
        truth = mock.tell()
    # A machine that is busy for long may skip a step, but never take one twice or backwards.
    assert report.users == sorted(set(report.users))
    assert set(report.users) <= {2, 4, 6, 8, 10}
    assert len(report.users) >= 3
    assert report.rows["POST /process"].requests == len(truth.jobs)
    assert report.rows["STEP step 0"].requests == len(truth.jobs)
    assert report.rows["STEP step 0"].average_ms == pytest.approx(20)
    assert report.rows["IMAGE end to end"].average_ms > 15
    assert all(row.failures == 0 for row in report.rows.values())
    assert report.exit_code == 0


def test_a_master_has_the_curve_and_its_worker_the_images(tmp_path: Path, images: Path) -> None:
    port = str(free_port())
    with running_mock(Script(service_s=0.02)) as mock:
        worker = start_locust("--worker", "--master-host", "127.0.0.1", "--master-port", port)
        try:
            report = run_locust(
                tmp_path,
                *("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port),
                *("--expect-workers", "1", "--host", mock.url, "--images", str(images)),
                *("--curve", "=users", "--users", "6", "--duration", "2"),
            )
        finally:
            finish(worker)
        truth = mock.tell()
    assert report.users == [6]
    assert len(truth.jobs) >= 6
    assert report.rows["IMAGE end to end"].requests == len(truth.jobs)
    assert report.exit_code == 0


async def test_the_pipelines_of_a_cluster_are_found_and_sent_to_in_turns(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with running_mock(Script(service_s=0.02)) as one, running_mock(Script()) as other:
        ports = [URL(mock.url).port for mock in (one, other)]
        services = [service(f"pipeline-{port}-step-0", port=port) for port in ports]
        async with cluster(kubeconfig, services=services):
            report = await asyncio.to_thread(
                run_locust,
                tmp_path,
                *("--discover", "--node-host", "127.0.0.1", "--images", str(images)),
                *("--curve", "=users", "--users", "5", "--duration", "2"),
            )
        sent = [len(mock.tell().jobs) for mock in (one, other)]
    # Each user takes them in turns, and has a second for the second one.
    assert min(sent) > 0
    assert report.rows["POST /process"].requests == sum(sent)
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--curve wave", "no such curve: 'wave'"),
        ("--curve =users", "needs --duration"),
        ("--duration 0", "--duration must be greater than 0"),
        ("--users 0", "--users must be greater than 0"),
        ("--images nowhere", "no such folder: nowhere"),
        ("--images \x1b[2Jnowhere", "no such folder: \\x1b[2Jnowhere"),
    ],
)
def test_arguments_that_make_no_sense_end_locust_in_one_line(
    tmp_path: Path, arguments: str, message: str
) -> None:
    report = run_locust(tmp_path, *arguments.split())
    assert report.exit_code == 1
    assert message in report.log
    assert "Traceback" not in report.log
