"""Told to end before it is ready: while the cluster does not answer, say."""

import signal
import socket
from pathlib import Path

import yaml

from tests.end_to_end.service import end, start

LATEST_S = 20.0


def test_a_service_that_waits_for_its_cluster_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes connections and never answers
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(_kubeconfig(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        process = start(
            tmp_path / "data",
            *("--port", "0", "--topology", "kubernetes", "--kubeconfig", str(kubeconfig)),
        )
        try:
            silent.settimeout(LATEST_S)
            asked, _ = silent.accept()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=LATEST_S) == 0
            asked.close()
            assert process.stdout is not None
            assert "Told to end before it was ready" in process.stdout.read()
        finally:
            end(process)


def _kubeconfig(server: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": {"token": "any"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }
    )
