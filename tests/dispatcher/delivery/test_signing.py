"""Signatures, checked by the reference implementation of Standard Webhooks; security.md S25."""

import base64
import stat
import time
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from dispatcher.delivery.signing import load_signer
from dispatcher.errors import StartupError

BODY = b'{"request_id":"a","status":"completed"}'


def secret(byte: bytes = b"k", *, size: int = 24) -> str:
    return "whsec_" + base64.b64encode(byte * size).decode()


def secret_file(folder: Path, *lines: str) -> Path:
    path = folder / "secrets"
    path.write_text("\n".join(lines) + "\n")
    return path


def sign(path: Path | None, data_dir: Path, *, body: bytes = BODY) -> dict[str, str]:
    signer = load_signer(path, data_dir=data_dir)
    return dict(signer.headers("msg_1", timestamp=int(time.time()), body=body))


def test_a_signature_is_what_standard_webhooks_expects(tmp_path: Path) -> None:
    headers = sign(secret_file(tmp_path, secret()), tmp_path)
    assert headers["webhook-signature"].startswith("v1,")
    assert Webhook(secret()).verify(BODY, headers)["status"] == "completed"


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body", "secret"])
def test_nothing_that_is_signed_can_be_changed(tmp_path: Path, changed: str) -> None:
    headers = sign(secret_file(tmp_path, secret()), tmp_path)
    body = BODY
    if changed == "body":
        body += b" "
    elif changed == "webhook-timestamp":
        headers[changed] = str(int(headers[changed]) + 1)
    elif changed == "webhook-id":
        headers[changed] = "msg_2"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(b"x") if changed == "secret" else secret()).verify(body, headers)


def test_while_one_secret_replaces_another_both_sign(tmp_path: Path) -> None:
    headers = sign(secret_file(tmp_path, secret(b"n"), secret(b"o")), tmp_path)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for byte in (b"n", b"o"):
        Webhook(secret(byte)).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(b"x")).verify(BODY, headers)


def test_a_secret_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    first = sign(None, tmp_path)
    path = tmp_path / "webhook-secret"
    made = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    Webhook(made).verify(BODY, first)
    Webhook(made).verify(BODY, sign(None, tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["webhook-secret"]


def test_a_secret_that_was_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "webhook-secret.new").write_text("whsec_")
    headers = sign(None, tmp_path)
    Webhook((tmp_path / "webhook-secret").read_text().strip()).verify(BODY, headers)


def test_two_services_make_different_secrets(tmp_path: Path) -> None:
    made = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sign(None, tmp_path / name)
        made.add((tmp_path / name / "webhook-secret").read_text())
    assert len(made) == 2


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [secret(size=23)],
        [secret(size=65)],
        [secret().removeprefix("whsec_")],
        ["whsec_" + "!" * 40],
        ["whsec_kéy"],
        [secret(), secret(b"x", size=8)],
        [secret(), secret(b"x"), secret(b"y")],
    ],
)
def test_a_file_of_something_else_stops_the_start_and_is_not_shown(
    tmp_path: Path, lines: list[str]
) -> None:
    path = secret_file(tmp_path, *lines)
    with pytest.raises(StartupError) as stopped:
        load_signer(path, data_dir=tmp_path)
    assert not any(line in str(stopped.value) for line in lines)


@pytest.mark.parametrize("size", [24, 64])
def test_a_secret_has_24_to_64_bytes(tmp_path: Path, size: int) -> None:
    path = secret_file(tmp_path, secret(size=size))
    Webhook(secret(size=size)).verify(BODY, sign(path, tmp_path))


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError):
        load_signer(tmp_path / "nowhere", data_dir=tmp_path)
