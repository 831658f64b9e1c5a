"""What makes the bucket, here and in the cluster, with a stand-in for MinIO's client."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.compose.composition import ROOT

_FOLDER: Final = ROOT / "k8s" / "components" / "minio"


def test_the_bucket_script_is_a_shell_script_and_its_policy_is_for_one_bucket() -> None:
    done = subprocess.run(
        ["sh", "-n", str(_FOLDER / "bucket.sh")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    policy = json.loads((_FOLDER / "policy.json").read_text())
    resources = {one for rule in policy["Statement"] for one in rule["Resource"]}
    assert resources == {"arn:aws:s3:::conveyor", "arn:aws:s3:::conveyor/*"}
    actions = {one for rule in policy["Statement"] for one in rule["Action"]}
    assert not any("*" in action for action in actions)
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"} <= actions


@pytest.mark.parametrize("fails", [2, 1000])
def test_the_bucket_script_waits_for_the_store_and_not_for_ever(tmp_path: Path, fails: int) -> None:
    # Stands in for mc: notes what it is asked, fails at first, then says yes to everything.
    _make_program(tmp_path / "mc", f'echo "$*" >> calls; [ "$(grep -c . calls)" -gt {fails} ]')
    _make_program(tmp_path / "sleep", "")
    done = subprocess.run(
        ["sh", str(_FOLDER / "bucket.sh")],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.defpath}", "S3_SECRET_KEY": "f" * 48},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    calls = (tmp_path / "calls").read_text().splitlines()
    if fails < 1000:
        assert (done.returncode, calls[-1]) == (0, "ls own/conveyor")
    else:
        assert done.returncode == 1
        assert "tries" in done.stderr


def _make_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
