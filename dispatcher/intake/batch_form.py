"""The form of ``POST /process``, read while it arrives: each file is put away before the next.

So memory stays flat however many files there are, and a bad ``actions`` field is refused before
the files that follow it were read.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from multipart import MultipartSegment

from dispatcher.blobs.base import BlobStore
from dispatcher.errors import (
    DuplicateFieldError,
    FieldTooLargeError,
    InvalidParamsError,
    InvalidValueError,
    MissingFieldError,
    RequestError,
    TooManyPartsError,
    UnknownFieldError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
    WrongFieldKindError,
)
from dispatcher.intake.form_parser import FormParser, check_part, file_name_of
from dispatcher.intake.multipart import MAX_FIELD_BYTES, ImagePart
from dispatcher.intake.sniffing import ImageKind, sniff
from dispatcher.intake.upload import Receive, body_chunks, clean_filename
from dispatcher.jobs import JobError
from dispatcher.pipelines.actions import MAX_ACTIONS, Actions, parse_actions
from step_app.contract.limits import MAX_IMAGE_BYTES

MAX_FILES: Final = 1000
MAX_JOBS: Final = 1000
"""Files times actions."""
MAX_PICTURES: Final = 10_000
"""Pictures made of one request: what lists them all stays short enough to be sent at once."""
FILES_AT_ONCE: Final = 16
"""Files that are acted upon together while others arrive."""
MAX_BODY_BYTES: Final = 2 * 1024**3
MAX_OVERHEAD_BYTES: Final = 4 * 1024**2
"""What belongs to no part's content: boundaries, headers, preamble, epilogue."""
_MAX_PARTS: Final = MAX_FILES + MAX_ACTIONS + 1
_FIELDS: Final[Mapping[str, str]] = {
    "actions": "actions",
    "actions[]": "actions",
    "files": "files",
    "files[]": "files",
    "cache": "cache",
}
"""What each name stands for; some clients mark array fields by brackets."""


@dataclass(frozen=True, slots=True)
class BatchFile:
    """One file of the form."""

    filename: str
    digest: str
    """SHA-256, hexadecimal."""
    kind: ImageKind | None
    """None when it is no image that is taken; nothing of it is kept then."""
    error: JobError | None = None
    """Why it is none."""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class BatchForm:
    """What one request brought; whoever has it owns one hold on the bytes of each image."""

    files: tuple[BatchFile, ...]
    actions: tuple[Actions, ...]
    use_cache: bool = True

    async def release(self, blobs: BlobStore) -> None:
        """Let go of the images."""
        await _release(self.files, blobs)


OnFiles = Callable[[BatchForm], Awaitable[None]]
"""Called with what a form has brought so far."""


async def read_batch_form(
    headers: Mapping[bytes, bytes],
    receive: Receive,
    *,
    blobs: BlobStore,
    on_files: OnFiles | None = None,
) -> BatchForm:
    """Read a form to its end.

    Args:
        headers: of the request, names in lower case.
        receive: ASGI's receive callable.
        blobs: where images are put.
        on_files: called now and then while files arrive, where the actions came before them.

    Raises:
        RequestError: it is not one that is taken, or broke off; nothing of it is kept.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedEncodingError("Send the body as it is.")
    content_type = headers.get(b"content-type", b"")
    if content_type.partition(b";")[0].strip().lower() != b"multipart/form-data":
        raise UnsupportedMediaTypeError("Send multipart/form-data with actions and files.")
    reader = BatchFormReader(content_type, blobs=blobs)
    told = 0
    try:
        async for chunk in body_chunks(headers, receive, limit_bytes=MAX_BODY_BYTES):
            await reader.feed(chunk)
            if on_files is not None and reader.is_ordered and reader.files - told >= FILES_AT_ONCE:
                told = reader.files
                await on_files(reader.so_far(seal=True))
        return reader.finish()
    except BaseException:  # also when the request is cancelled
        await reader.release()
        raise


class BatchFormReader:
    """Parses one form: ``actions`` as JSON, ``files``, and perhaps ``cache``."""

    def __init__(self, content_type: bytes, *, blobs: BlobStore) -> None:
        """Prepare for a form.

        Raises:
            MalformedMultipartError: the Content-Type names no usable boundary.
        """
        self._blobs = blobs
        self._files: list[BatchFile] = []
        self._actions: list[Actions] = []
        self._action_fields = 0
        self._use_cache: bool | None = None
        self._is_sealed = False
        """Whether files were acted upon, so that it is too late for other fields."""
        self.is_ordered = False
        """Whether the actions came before the first file."""
        self._field = ""
        self._target: ImagePart | bytearray = bytearray()
        self._parts = 0
        self._parser = FormParser(content_type, max_overhead_bytes=MAX_OVERHEAD_BYTES)

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            RequestError: the form is malformed, or not one that is taken.
        """
        for event in self._parser.parse(chunk):
            if isinstance(event, MultipartSegment):
                self._open(event)
            elif event is None:
                await self._close()
            else:
                self._take(event)

    def finish(self) -> BatchForm:
        """Return the form, after the last chunk.

        Raises:
            MalformedMultipartError: the closing boundary never came.
            MissingFieldError: there were no actions, or no files.
        """
        self._parser.finish()
        if not self._actions:
            raise MissingFieldError("The form has no field actions.")
        if not self._files:
            raise MissingFieldError("The form has no file field files.")
        return self.so_far()

    @property
    def files(self) -> int:
        """Return how many files were read."""
        return len(self._files)

    def so_far(self, *, seal: bool = False) -> BatchForm:
        """Return what was read; once it is sealed, nothing but files may follow."""
        self._is_sealed = self._is_sealed or seal
        use_cache = True if self._use_cache is None else self._use_cache
        return BatchForm(tuple(self._files), tuple(self._actions), use_cache)

    async def release(self) -> None:
        """Let go of the images that were read."""
        await _release(self._files, self._blobs)
        self._files.clear()

    def _open(self, part: MultipartSegment) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise TooManyPartsError(f"At most {MAX_FILES} files are taken.")
        check_part(part)
        if part.name not in _FIELDS:
            known = ", ".join(sorted(set(_FIELDS.values())))
            raise UnknownFieldError(f"The form has an unknown field; known: {known}.")
        self._field = _FIELDS[part.name]
        is_json = self._field == "actions" and part.content_type == "application/json"
        if (self._field == "files") != (part.filename is not None) and not is_json:
            wanted = "a file" if self._field == "files" else "text, not a file"
            raise WrongFieldKindError(f"{self._field} must be {wanted}.")
        if self._field == "cache" and self._use_cache is not None:
            raise DuplicateFieldError("The field cache was sent twice.")
        if self._is_sealed and self._field != "files":
            raise InvalidValueError(f"{self._field} must come before the files.")
        self._target = bytearray()
        if self._field == "files":
            self._target = ImagePart(max_bytes=MAX_IMAGE_BYTES)
            self._target.filename = file_name_of(part)

    def _take(self, data: bytes) -> None:
        if isinstance(self._target, ImagePart):
            self._target.feed(data)
            return
        self._target += data
        if len(self._target) > MAX_FIELD_BYTES:
            raise FieldTooLargeError(f"{self._field} has at most {MAX_FIELD_BYTES} bytes.")

    async def _close(self) -> None:
        target, self._target = self._target, bytearray()
        if isinstance(target, ImagePart):
            await self._keep(target)
        elif self._field == "actions":
            self._read_actions(target)
        else:
            self._read_cache(target)
        self._check_extent()

    async def _keep(self, part: ImagePart) -> None:
        if not part.chunks and not part.filename:
            return  # a browser's file field in which nothing was chosen
        image = b"".join(part.chunks)
        part.chunks.clear()
        name, digest = clean_filename(part.filename), part.sha256.hexdigest()
        try:
            kind = sniff(image)
        except RequestError as exc:
            error = JobError(code=exc.code, detail=exc.detail)
            self._files.append(BatchFile(name, digest, kind=None, error=error))
            return
        await self._blobs.put(digest, image)
        self._files.append(BatchFile(name, digest, kind, size_bytes=len(image)))

    def _read_actions(self, text: bytearray) -> None:
        self._action_fields += 1
        where = "actions" if self._action_fields == 1 else f"actions (field {self._action_fields})"
        try:
            decoded = text.decode()
        except UnicodeDecodeError as exc:
            raise InvalidParamsError(f"{where} is not UTF-8.") from exc
        self._actions += parse_actions(decoded, where=where)
        self.is_ordered = self.is_ordered or not self._files
        if len(self._actions) > MAX_ACTIONS:
            raise InvalidParamsError(f"{where}: at most {MAX_ACTIONS} are taken in all.")

    def _read_cache(self, text: bytearray) -> None:
        value = bytes(text)
        if value not in (b"true", b"false"):
            raise InvalidValueError("cache is true or false.")
        self._use_cache = value == b"true"

    def _check_extent(self) -> None:
        files = len(self._files)
        if files > MAX_FILES:
            raise TooManyPartsError(f"At most {MAX_FILES} files are taken.")
        if files * len(self._actions) > MAX_JOBS:
            raise TooManyPartsError(f"Files times actions are at most {MAX_JOBS}.")
        pictures = files * sum(actions.pictures for actions in self._actions)
        if pictures > MAX_PICTURES:
            raise InvalidParamsError(
                f"actions: more than {MAX_PICTURES} pictures would be made of {files} files."
            )


async def _release(files: Sequence[BatchFile], blobs: BlobStore) -> None:
    for file in files:
        if file.kind is not None:
            await blobs.release(file.digest)
