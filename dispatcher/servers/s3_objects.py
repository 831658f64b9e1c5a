"""Objects in a bucket of an S3-compatible store.

obstore's coroutines end in threads of its own that know nothing of the interpreter's end: a
process that exits a moment after one of them is aborted now and then, by a signal and with a
backtrace. Its blocking calls have no such threads, so these are made, in threads of ours.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from dispatcher.errors import StartupError
from dispatcher.servers.object_backend import CALLS, PAGE, ObjectInfo, ObjectMissingError
from dispatcher.servers.urls import ServerUrl, parse_server_url, read_named_file
from dispatcher.servers.watch import AwayError, RefusedError

if TYPE_CHECKING:  # obstore has them for type checkers alone
    from obstore import ObjectMeta, PutMode
    from obstore.store import ClientConfig, S3Config

T = TypeVar("T")
_FLAG: Final = "--blob-url"
_CONNECT_S: Final = 1
_ANSWER_S: Final = 2
"""As long as anybody waits for an answer: then its thread and its socket are free again."""
_IDLE_S: Final = 5
"""So soon the connections are gone that nobody answers on after a store has moved."""
_MISSING: Final = "the object store needs credentials, and AWS_ACCESS_KEY_ID is not set"
_SKEWED: Final = "the clocks here and at the object store differ too much"
_EXPIRED: Final = "the object store says that the credentials have expired"
_DENIED: Final = "the object store refuses the credentials"
_REFUSED: Final = frozenset({_MISSING, _SKEWED, _EXPIRED, _DENIED})
"""What may be wrong with this dispatcher alone."""
_REASONS: Final = (
    ("/latest/(api/token|meta-data)", _MISSING),
    ("NoSuchBucket", "the object store has no such bucket"),
    ("RequestTimeTooSkewed", _SKEWED),
    ("ExpiredToken|InvalidToken", _EXPIRED),
    ("code: 40[13]", _DENIED),
    ("SlowDown|code: (429|503)", "the object store asks for fewer requests"),
    ("code: 5", "the object store has failed inside"),
    ("InvalidCertificate|UnknownIssuer", "the object store's certificate cannot be verified"),
    ("dns error", "the name of the object store's host is unknown"),
    ("kind: Timeout", "the object store does not answer in time"),
    ("kind: Connect", "the object store cannot be connected to"),
)
"""How obstore words failures (it has one class for most of them), and how they are told."""


def make_s3_objects(url: str) -> "S3Objects":
    """Return the store in a bucket.

    Certificates of https are always verified, by the authorities of the system and those in
    ``ca_file``. An endpoint is addressed by path (``endpoint/bucket/…``), Amazon by host.

    Args:
        url: ``s3://bucket/folder?endpoint=https://…&region=…&ca_file=…``, without credentials.

    Raises:
        StartupError: it is no such URL.
    """
    names = ("endpoint", "region", "ca_file")
    parts = parse_server_url(url, flag=_FLAG, schemes=("s3",), parameters=names)
    if parts.username or parts.password:
        raise StartupError(f"{_FLAG}: credentials belong into the AWS_* environment variables")
    endpoint = parts.parameters.get("endpoint")
    try:
        return S3Objects(_store(parts, endpoint))
    except (BaseError, ValueError) as exc:
        raise StartupError(f"{_FLAG}: the bucket, endpoint or region cannot be") from exc


def _store(parts: ServerUrl, endpoint: str | None) -> S3Store:
    if endpoint is not None and not endpoint.startswith(("https://", "http://")):
        raise StartupError(f"{_FLAG}: the endpoint must begin with https:// or http://")
    config: S3Config = {"virtual_hosted_style_request": endpoint is None}
    if endpoint is not None:
        config["endpoint"] = endpoint
    if "region" in parts.parameters:
        config["region"] = parts.parameters["region"]
    return S3Store(
        parts.host,
        prefix=parts.path.strip("/") or None,
        config=config,
        client_options=_client_options(parts, is_plain=(endpoint or "").startswith("http://")),
        # Who asks tries again, and knows then that an earlier try may have been kept.
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=_ANSWER_S)},
    )


def _client_options(parts: ServerUrl, *, is_plain: bool) -> "ClientConfig":
    options: ClientConfig = {
        "allow_http": is_plain,
        "allow_invalid_certificates": False,  # not even when AWS_ALLOW_INVALID_CERTIFICATES is set
        "connect_timeout": timedelta(seconds=_CONNECT_S),
        "timeout": timedelta(seconds=_ANSWER_S),
        "pool_idle_timeout": timedelta(seconds=_IDLE_S),
    }
    authorities = read_named_file(parts, "ca_file", flag=_FLAG)
    if authorities is not None:
        options["root_certificate"] = authorities
    return options


class S3Objects:
    """An ``ObjectBackend`` in a bucket."""

    name = "the object store"

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(CALLS, thread_name_prefix="s3")

    async def look(self) -> None:
        """See whether the bucket is there and can be listed."""
        await _S3Pages(self, ".look", page=1).next()

    async def put(self, path: str, data: bytes, *, only_if_absent: bool) -> bool:
        """Keep an object."""
        mode: PutMode = "create" if only_if_absent else "overwrite"
        try:
            await self.run(lambda store: store.put(path, data, mode=mode, use_multipart=False))
        except ObjectMissingError as exc:
            raise AwayError("the object store has no such bucket") from exc
        except AlreadyExistsError:
            return False
        return True

    async def get(self, path: str) -> bytes:
        """Return an object."""
        return await self.run(lambda store: store.get(path).bytes().to_bytes())

    async def find(self, path: str) -> ObjectInfo | None:
        """Return what is known of an object."""
        try:
            return _info_of(await self.run(lambda store: store.head(path)))
        except ObjectMissingError:
            return None

    async def remove(self, path: str) -> None:
        """Remove an object."""
        with suppress(ObjectMissingError):
            await self.run(lambda store: store.delete(path))

    def pages(self, folder: str) -> "_S3Pages":
        """Begin to list."""
        return _S3Pages(self, folder, page=PAGE)

    async def close(self) -> None:
        """Let the threads end, those that wait for an answer soon."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[S3Store], T]) -> T:
        """Ask the store in a thread.

        Raises:
            ObjectMissingError: the object is not there.
            AlreadyExistsError: it is there already.
            AwayError: the store does not do what it should.
        """
        with _told():
            try:
                asked = asyncio.get_running_loop().run_in_executor(self._threads, work, self._store)
            except RuntimeError as exc:  # its threads have ended
                raise AwayError("the connection to the object store is closed") from exc
            return await asked


class _S3Pages:
    """A listing of a bucket, one request a page; S3 tells paths in the order of their bytes."""

    def __init__(self, objects: S3Objects, folder: str, *, page: int) -> None:
        self._objects = objects
        self._folder = folder
        self._page = page
        self._last: str | None = None

    async def next(self) -> Sequence[ObjectInfo]:
        """Return the next ones."""
        metas = await self._objects.run(self._ask)
        if metas:
            self._last = metas[-1]["path"]
        return [_info_of(meta) for meta in metas]

    def _ask(self, store: S3Store) -> "Sequence[ObjectMeta]":
        found = store.list(f"{self._folder}/", offset=self._last, chunk_size=self._page)
        return next(iter(found), [])


def _info_of(meta: "ObjectMeta") -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"])


@contextmanager
def _told() -> Iterator[None]:
    """Turn what obstore raises into what it means.

    Raises:
        ObjectMissingError: the object is not there.
        AlreadyExistsError: it is there already.
        AwayError: the store does not do what it should.
    """
    try:
        yield
    except AlreadyExistsError:
        raise
    except (BaseError, OSError) as exc:
        if isinstance(exc, FileNotFoundError) and "NoSuchBucket" not in str(exc):
            raise ObjectMissingError from exc
        raise _away(str(exc)) from exc


def _away(text: str) -> AwayError:
    for pattern, reason in _REASONS:
        if re.search(pattern, text):
            return (RefusedError if reason in _REFUSED else AwayError)(reason)
    return AwayError("the object store cannot be used")
