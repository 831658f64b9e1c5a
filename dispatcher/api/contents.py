"""What is in a batch: its jobs, the pictures sent and those made, each under its own name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from dispatcher.api.naming import made_names, sent_name, stem_key, stems_of
from dispatcher.errors import GoneError, NotFoundError
from dispatcher.jobs import Batch, Job, SentFile
from dispatcher.results.base import ResultStore

Folder = Literal["sent", "made"]
FOLDERS: Final[tuple[Folder, ...]] = ("sent", "made")


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """One picture that can be fetched; its bytes are in the blob store."""

    folder: Folder
    name: str
    digest: str
    media_type: str
    width: int
    """As its header says; 0 where that is no longer known."""
    height: int

    @property
    def path(self) -> str:
        """Return its path within the batch."""
        return f"{self.folder}/{self.name}"

    @property
    def relative_url(self) -> str:
        """Return its path within the batch, escaped."""
        return f"{self.folder}/{quote(self.name, safe='')}"


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One job of a batch and its pictures."""

    sent_file: SentFile
    job: Job | None
    """None when it ended so long ago that it is no longer kept."""
    sent: NamedPicture | None
    """None when the file is no image, or is listed with an earlier job already."""
    made: tuple[NamedPicture, ...]


@dataclass(frozen=True, slots=True)
class BatchContents:
    """A batch as it is at the moment."""

    batch: Batch
    entries: tuple[BatchEntry, ...]

    def pictures(self, folder: Folder) -> list[NamedPicture]:
        """Return all pictures of a folder, in the order of the files."""
        if folder == "sent":
            return [entry.sent for entry in self.entries if entry.sent is not None]
        return [picture for entry in self.entries for picture in entry.made]


def static_url(batch_id: str) -> str:
    """Return where a batch can be browsed."""
    return f"/static/{batch_id}/"


def zip_url(batch_id: str) -> str:
    """Return where a batch can be fetched as a whole."""
    return f"/batch/{batch_id}/zip"


def contents_of(batch: Batch, jobs: Mapping[str, Job]) -> BatchContents:
    """Return a batch with the jobs that are still kept, by id."""
    stems = stems_of(file.filename for file in batch.files)
    entries = (
        _entry(file, stem, jobs.get(file.job_id))
        for file, stem in zip(batch.files, stems, strict=True)
    )
    return BatchContents(batch, tuple(entries))


async def load_contents(results: ResultStore, batch: Batch) -> BatchContents:
    """Return a batch with its jobs as they are now."""
    return contents_of(batch, await _load_jobs(results, batch.files))


async def find_picture(
    results: ResultStore, batch: Batch, *, folder: str, name: str
) -> NamedPicture:
    """Return one picture by its name.

    Raises:
        NotFoundError: there is none of that name, or not yet.
    """
    wanted = stem_key(name.rpartition(".")[0])
    for file, stem in zip(batch.files, stems_of(f.filename for f in batch.files), strict=True):
        if stem_key(stem) == wanted:
            entry = _entry(file, stem, (await _load_jobs(results, [file])).get(file.job_id))
            for picture in (entry.sent, *entry.made):
                if picture is not None and picture.path == f"{folder}/{name}":
                    return picture
            break  # no two stems have the same key
    raise NotFoundError


async def _load_jobs(results: ResultStore, files: Sequence[SentFile]) -> dict[str, Job]:
    jobs = {}
    for file in files:
        try:
            jobs[file.job_id] = await results.get(file.job_id)
        except (NotFoundError, GoneError):
            continue  # the batch may outlive its jobs: those go by number, too
    return jobs


def _entry(file: SentFile, stem: str, job: Job | None) -> BatchEntry:
    sent = None
    if file.media_type:
        sent = NamedPicture(
            folder="sent",
            name=sent_name(stem, filename=file.filename, media_type=file.media_type),
            digest=file.digest,
            media_type=file.media_type,
            width=0 if job is None else job.width,
            height=0 if job is None else job.height,
        )
    return BatchEntry(file, job, sent, () if job is None else _made(stem, job))


def _made(stem: str, job: Job) -> tuple[NamedPicture, ...]:
    is_split = any(output.piece is not None for output in job.outputs)
    names = made_names(stem, [o.media_type for o in job.outputs], is_split=is_split)
    return tuple(
        NamedPicture(
            folder="made",
            name=name,
            digest=output.digest,
            media_type=output.media_type,
            width=output.width,
            height=output.height,
        )
        for name, output in zip(names, job.outputs, strict=True)
    )
