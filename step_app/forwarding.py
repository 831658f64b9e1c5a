"""A chain that runs by itself: this step, then the next active one, over HTTP.

::

    client ──POST /process──▶ step 0 ──▶ step 1 ──▶ … ──▶ last step
           ◀── picture or JSON, X-Step-<ID>-Time of every step ──┘

Pictures travel raw between two picture steps, so that a chain costs no quality. What was split
is forwarded piece by piece and comes back as one answer.
"""

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp
from starlette.responses import Response

from step_app.answers import (
    KNOWN_ANSWERS,
    PROBLEM_MEDIA_TYPE,
    ChainPart,
    chain_answer,
    json_answer,
    json_document,
)
from step_app.codec import media_type_of
from step_app.contract.limits import MAX_REPLY_BYTES
from step_app.contract.pictures import MEDIA_TYPES, RAW_MEDIA_TYPE, delivered_as
from step_app.contract.routes import StepDocument, next_active
from step_app.contract.spans import SpanKind
from step_app.contract.step_types import STEP_TYPES
from step_app.contract.trace_context import TraceContext
from step_app.errors import (
    NextStepFailedError,
    NextStepMissingError,
    NextStepUnreadyError,
    StepError,
)
from step_app.records import NoRecords, RecordFiles, StepDirectory
from step_app.replica import Replica
from step_app.steps.base import PictureOutput, StepRequest
from step_app.tracing import end_with, new_trace, trace_of

_NO_FORWARD: Final = "none"
_OUTPUT_HEADER: Final = "X-Output-Type"
_TIME_HEADER: Final = re.compile("x-step-.+-time", re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_CONNECT_TIMEOUT_S: Final = 2.0
_ANSWER_TIMEOUT_S: Final = 120.0
_OK: Final = 200
_UNREADY: Final = 503


@dataclass(frozen=True, slots=True)
class Visit:
    """What the headers of a request to ``/process`` say."""

    forwards: bool
    """Whether the result goes on to the next step."""
    output: str
    """Media type in which the last picture is wanted; empty for the first step of a chain."""
    trace: TraceContext | None = None
    """What caused it; None when nobody said so."""

    @property
    def is_forwarded(self) -> bool:
        """Say whether another step sent it."""
        return bool(self.output)

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Visit":
        """Read the headers."""
        output = headers.get(_OUTPUT_HEADER, "")
        return cls(
            forwards=headers.get("x-forward", "").lower() != _NO_FORWARD,
            output=output if output in MEDIA_TYPES.values() else "",
            trace=trace_of(headers),
        )


class ChainRunner:
    """Runs this replica's step and forwards to the steps after it."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        config, settings = replica.config, replica.settings
        self._steps = {str(step["id"]): step for step in config.steps}
        self._directory: StepDirectory = NoRecords()
        if settings.records_dir is not None:
            self._directory = RecordFiles(
                settings.records_dir,
                pipeline_id=config.pipeline_id,
                app_label=settings.app_label,
            )
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the connection pool."""
        self._session = aiohttp.ClientSession(
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close the connection pool."""
        if self._session is not None:
            await self._session.close()

    async def run(self, image: bytes, *, filename: str, visit: Visit) -> Response:
        """Run the step, then the rest of the chain, and return the answer of its end.

        Raises:
            StepError: some step failed, is missing or not ready; the detail names it.
        """
        with self._replica.tracing.begin(visit.trace) as span:
            answer = await self._run(image, filename, visit, span.context or new_trace())
            if span.is_recorded:
                span.note({"http.response.status_code": answer.status_code})
            return answer

    async def _run(
        self, image: bytes, filename: str, visit: Visit, trace: TraceContext | None
    ) -> Response:
        config = self._replica.config
        target = await self._next() if visit.forwards else None
        final_type = self._final_type(image, visit)
        output = final_type
        if target is not None and target.takes_raw:
            output = RAW_MEDIA_TYPE
        _, runner = self._replica.require()
        trace_id = "" if trace is None else trace.trace_id
        work = runner.submit(StepRequest(image, output=output, trace_id=trace_id))
        end_with(self._replica.tracing.begin(trace, kind=SpanKind.INTERNAL, name="compute"), work)
        result = await work
        if isinstance(result.outcome, StepError):
            raise result.outcome.named(_name(config.step_id, config.type))
        own = {f"X-Step-{config.step_id}-Time": f"{result.duration_s:.6f}"}
        if not isinstance(result.outcome, PictureOutput):
            answer = json_answer(json_document(filename, result))
            answer.headers.update(own)
            return answer
        pictures = result.outcome.reply.pictures
        parts = [ChainPart(picture.media_type, picture.body) for picture in pictures]
        if target is not None:
            parts = await asyncio.gather(
                *(
                    self._forward(target, part, filename=filename, output=final_type, trace=trace)
                    for part in parts
                )
            )
        return chain_answer(parts, own)

    def _final_type(self, image: bytes, visit: Visit) -> str:
        """Return the media type of the last picture, as far as it is known here."""
        wanted = self._replica.config.params.get("output")
        if wanted:
            return MEDIA_TYPES[wanted]
        return visit.output or delivered_as(media_type_of(image))

    async def _next(self) -> "_Target | None":
        """Return the step that follows; None at the end of the pipeline.

        Raises:
            NextStepMissingError: steps follow, but none of them is active.
        """
        config = self._replica.config
        active = await self._directory.active()
        # Records say it better than the environment: preferred_next may have changed since.
        steps = {str(step["id"]): step for step in self._directory.steps()} or self._steps
        if config.step_id not in steps:
            return None
        found = next_active(list(steps.values()), config.step_id, active=active)
        if found is None:
            later = list(steps)[list(steps).index(config.step_id) + 1 :]
            if later:
                missing = _name(later[0], _type(steps[later[0]]))
                raise NextStepMissingError(f"{missing} is not active.")
            return None
        return _Target(found, _type(steps[found]), tuple(active[found]))

    async def _forward(
        self,
        target: "_Target",
        part: ChainPart,
        *,
        filename: str,
        output: str,
        trace: TraceContext | None,
    ) -> ChainPart:
        """Send a picture to one replica of the next step; to another when that is not ready."""
        grayscale = self._replica.metrics.grayscale
        for attempt, url in enumerate(random.sample(target.urls, len(target.urls))):
            if attempt and grayscale is not None:
                grayscale.reconnects.inc()
            with self._replica.tracing.begin(
                trace, kind=SpanKind.CLIENT, name=f"forward {target.type}"
            ) as span:
                answer = await self._post(
                    url, target, part, filename=filename, output=output, trace=span.context
                )
                if answer is None:
                    span.end(error=NextStepUnreadyError.code)
            if answer is not None:
                return answer
        raise NextStepUnreadyError(f"{target.name}: no replica is ready.")

    async def _post(
        self,
        url: str,
        target: "_Target",
        part: ChainPart,
        *,
        filename: str,
        output: str,
        trace: TraceContext | None,
    ) -> ChainPart | None:
        assert self._session is not None
        headers = {
            "Content-Type": part.media_type,
            "X-Filename": quote(filename),
            _OUTPUT_HEADER: output,
            **({} if trace is None else trace.headers()),
        }
        try:
            async with self._session.post(
                f"{url}/process", data=part.body, headers=headers, allow_redirects=False
            ) as response:
                body = await _read(response, target)
        except aiohttp.ClientConnectionError:
            return None
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise NextStepFailedError(f"{target.name}: {type(exc).__name__}.") from exc
        if response.status == _OK:
            if response.content_type not in KNOWN_ANSWERS:
                raise NextStepFailedError(f"{target.name}: it answered with no picture or data.")
            return ChainPart(response.content_type, body, _times(response))
        if response.content_type != PROBLEM_MEDIA_TYPE:
            raise NextStepFailedError(f"{target.name}: it answered with {response.status}.")
        if response.status == _UNREADY and b'"not_ready"' in body:
            return None
        # It names the step that failed already, however far down the chain.
        return ChainPart(response.content_type, body, status=response.status)


@dataclass(frozen=True, slots=True)
class _Target:
    """The next step and its replicas."""

    step_id: str
    type: str
    urls: Sequence[str]

    @property
    def name(self) -> str:
        return _name(self.step_id, self.type)

    @property
    def takes_raw(self) -> bool:
        """Say whether it makes pictures of pictures, as far as its type is known here."""
        return self.type in STEP_TYPES and STEP_TYPES[self.type].output != "json"


async def _read(response: aiohttp.ClientResponse, target: _Target) -> bytes:
    """Read an answer, but never more than the contract allows."""
    chunks, received = [], 0
    async for chunk in response.content.iter_any():
        received += len(chunk)
        if received > MAX_REPLY_BYTES:
            response.close()
            raise NextStepFailedError(f"{target.name}: the answer is too long.")
        chunks.append(chunk)
    return b"".join(chunks)


def _times(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the times of the steps that the answer passed; what is no number is left out."""
    return {
        name: value
        for name, value in response.headers.items()
        if _TIME_HEADER.fullmatch(name) and _SECONDS.fullmatch(value)
    }


def _type(step: StepDocument) -> str:
    return str(step.get("type", "of no type"))


def _name(step_id: str, step_type: str) -> str:
    return f"step {step_id} ({step_type})"
