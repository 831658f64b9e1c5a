import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.errors import StartupError
from dispatcher.storage.directory import file_system_of, open_data_dir

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw
40 22 0:40 / /srv rw,relatime shared:20 master:3 - xfs /dev/vdb rw
41 40 0:41 /export /srv/share rw,relatime - nfs4 server:/export rw,vers=4.2
42 22 0:42 / /mnt/two\\040words rw,relatime - cifs //server/share rw
43 22 0:43 / /over rw - ext4 /dev/vdc rw
44 22 0:44 / /over rw - nfs server:/over rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data", "ext4"),
        ("/srv/data", "xfs"),
        ("/srv/share", "nfs4"),
        ("/srv/share/deep/down", "nfs4"),
        ("/srv/shared", "xfs"),
        ("/mnt/two words/data", "cifs"),
        ("/over/data", "nfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("mounts", ["", "nonsense", "1 2 3", "22 1 254:0 / /elsewhere rw - ext4 x"])
def test_what_is_not_known_is_nothing(mounts: str) -> None:
    assert file_system_of(Path("/data"), mounts) == ""


def mounted_as(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 254:0 / {tmp_path.resolve()} rw - {kind} server:/ rw\n")
    monkeypatch.setattr("dispatcher.storage.directory._MOUNTS", mounts)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3"])
def test_jobs_are_not_kept_on_a_network_file_system(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted_as(kind, tmp_path, monkeypatch)
    with pytest.raises(StartupError, match=rf"network file system \({kind}\)"):
        open_data_dir(tmp_path / "data", is_durable=True)
    open_data_dir(tmp_path / "data").close()


def test_a_local_file_system_or_an_unknown_one_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted_as("ext4", tmp_path, monkeypatch)
    open_data_dir(tmp_path / "data", is_durable=True).close()
    monkeypatch.setattr("dispatcher.storage.directory._MOUNTS", tmp_path / "no such file")
    open_data_dir(tmp_path / "data", is_durable=True).close()


def test_the_directory_is_made_with_all_above_it(tmp_path: Path) -> None:
    open_data_dir(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b").is_dir()


def test_a_second_owner_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    first = open_data_dir(tmp_path)
    with pytest.raises(StartupError, match="another dispatcher"):
        open_data_dir(tmp_path)
    first.close()
    open_data_dir(tmp_path).close()


def test_another_process_is_refused_too(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from dispatcher.storage.directory import open_data_dir\n"
        "open_data_dir(Path(sys.argv[1]))"
    )
    with open_data_dir(tmp_path):
        second = subprocess.run(
            [sys.executable, "-c", script, tmp_path],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode != 0
    assert "another dispatcher uses the data directory" in second.stderr


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="cannot write to the data directory"):
        open_data_dir(tmp_path / "file" / "data")
