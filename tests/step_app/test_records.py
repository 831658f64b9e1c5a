import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from step_app.records import NoRecords, RecordFiles


@pytest.fixture
def directory(tmp_path: Path) -> RecordFiles:
    """The steps of the pipeline ``p``."""
    return RecordFiles(tmp_path, pipeline_id="p", app_label="nn-service")


def record(step_id: Any = 0, *urls: str, labels: dict[str, Any] | None = None) -> str:
    """Return the record of a step, as a dispatcher writes it."""
    config = {"pipeline_id": "p", "step_id": step_id, "steps": [], "endpoints": list(urls)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"p-step-{step_id}",
                "labels": {"app": "nn-service", "pipeline_id": "p", **(labels or {})},
            },
            "data": {"PIPELINE_CONFIG": yaml.safe_dump(config)},
        }
    )


async def test_a_step_is_active_while_its_record_exists(
    tmp_path: Path, directory: RecordFiles
) -> None:
    assert await directory.active() == {}
    (tmp_path / "a.yaml").write_text(record(0, "http://127.0.0.1:5001", "http://127.0.0.1:5002"))
    (tmp_path / "b.yaml").write_text(record("last", "http://127.0.0.1:5003/"))
    assert await directory.active() == {
        "0": ["http://127.0.0.1:5001", "http://127.0.0.1:5002"],
        "last": ["http://127.0.0.1:5003"],
    }
    (tmp_path / "a.yaml").unlink()
    assert await directory.active() == {"last": ["http://127.0.0.1:5003"]}


async def test_a_step_without_a_replica_is_active_all_the_same(
    tmp_path: Path, directory: RecordFiles
) -> None:
    (tmp_path / "a.yaml").write_text(record(0))
    assert await directory.active() == {"0": []}


async def test_a_record_written_anew_counts_at_once(tmp_path: Path, directory: RecordFiles) -> None:
    (tmp_path / "a.yaml").write_text(record(0, "http://127.0.0.1:5001"))
    await directory.active()
    staging = tmp_path / "staging"
    staging.write_text(record(0, "http://127.0.0.1:5002"))
    staging.rename(tmp_path / "a.yaml")
    assert await directory.active() == {"0": ["http://127.0.0.1:5002"]}


async def test_a_record_that_did_not_change_is_not_read_again(
    tmp_path: Path, directory: RecordFiles
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(record(0, "http://127.0.0.1:5001"))
    await directory.active()
    written = path.stat()
    path.write_text("{")
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert await directory.active() == {"0": ["http://127.0.0.1:5001"]}


@pytest.mark.parametrize("labels", [{"pipeline_id": "q"}, {"app": "other"}, {"pipeline_id": None}])
async def test_records_of_other_pipelines_and_applications_are_none_of_ours(
    tmp_path: Path, directory: RecordFiles, labels: dict[str, Any]
) -> None:
    (tmp_path / "a.yaml").write_text(record(0, "http://127.0.0.1:5001", labels=labels))
    assert await directory.active() == {}


@pytest.mark.parametrize("name", ["a.yaml.tmp", ".a.tmp", "a.yml", "README.md"])
async def test_other_files_are_no_records(
    tmp_path: Path, directory: RecordFiles, name: str
) -> None:
    (tmp_path / name).write_text(record(0, "http://127.0.0.1:5001"))
    assert await directory.active() == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "a: b: c",
        "[1, 2]",
        "just text",
        "!!python/object/apply:os.getcwd []",
        "metadata: {}",
        "metadata: {labels: null}",
        "metadata: {labels: [app]}",
        "metadata: {labels: {app: nn-service, pipeline_id: p}}",
        "metadata: {labels: {app: nn-service, pipeline_id: p}}\ndata: {PIPELINE_CONFIG: '{'}",
        "metadata: {labels: {app: nn-service, pipeline_id: p}}\ndata: {PIPELINE_CONFIG: '[]'}",
        "metadata: {labels: {app: nn-service, pipeline_id: p}}\ndata: {PIPELINE_CONFIG: '{}'}",
        record(0, "no url"),
        record(0, "file:///etc/passwd"),
        record(0, "http://[broken"),
        "[" * 5000,
    ],
    ids=lambda text: repr(text[:60]),
)
async def test_a_record_that_cannot_be_read_harms_no_other(
    tmp_path: Path, directory: RecordFiles, text: str
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(record(1, "http://127.0.0.1:5001"))
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "d.yaml").mkdir()
    assert await directory.active() == {"1": ["http://127.0.0.1:5001"]}


async def test_without_the_folder_no_step_is_active(tmp_path: Path) -> None:
    nowhere = RecordFiles(tmp_path / "nowhere", pipeline_id="p", app_label="nn-service")
    assert await nowhere.active() == {}


async def test_a_replica_that_runs_by_itself_knows_no_other_step() -> None:
    assert await NoRecords().active() == {}


def data_of(step_id: Any = 0, *urls: str, service: str = "", pipeline_id: str = "p") -> str:
    """Return what a pod sees of a record: the data alone."""
    config = {"pipeline_id": pipeline_id, "step_id": step_id, "steps": [{"id": step_id}]}
    return yaml.safe_dump({**config, "endpoints": list(urls), "service": service})


async def test_a_record_may_be_its_data_alone_and_name_a_service(
    tmp_path: Path, directory: RecordFiles
) -> None:
    (tmp_path / "a.yaml").write_text(data_of(0, service="http://p-step-0.steps.svc:5000"))
    (tmp_path / "b.yaml").write_text(data_of(1, "http://10.0.0.1:5000/", service="http://b:5000"))
    (tmp_path / "c.yaml").write_text(data_of(2))
    (tmp_path / "d.yaml").write_text(data_of(3, service="http://d:5000", pipeline_id="other"))
    assert await directory.active() == {
        "0": ["http://p-step-0.steps.svc:5000"],
        "1": ["http://10.0.0.1:5000"],
        "2": [],
    }
    assert directory.steps() == [{"id": "2"}]


async def test_a_volume_that_the_cluster_renews_is_read_anew(
    tmp_path: Path, directory: RecordFiles
) -> None:
    """As a kubelet does it: files are links into a folder that is exchanged as a whole."""
    for version in (1, 2):
        folder = tmp_path / f"..{version}"
        folder.mkdir()
        (folder / "a.yaml").write_text(data_of(0, service=f"http://v{version}:5000"))
        os.utime(folder / "a.yaml", (version, version))
    link, record_link = tmp_path / "..data", tmp_path / "a.yaml"
    link.symlink_to("..1")
    record_link.symlink_to("..data/a.yaml")
    assert await directory.active() == {"0": ["http://v1:5000"]}
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(link)
    assert await directory.active() == {"0": ["http://v2:5000"]}
    record_link.unlink()
    assert await directory.active() == {}
