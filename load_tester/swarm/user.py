"""A user of Locust's: sends one image a second, and waits for its result."""

import random
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import cycle
from typing import TypeVar
from urllib.parse import quote

from locust import FastHttpUser, constant_pacing, task
from locust.contrib.fasthttp import ResponseContextManager

from load_tester.errors import BrokenError, FailedError, ImageError, WrongError
from load_tester.images import Upload
from load_tester.pacing import now_s
from load_tester.settings import DEFAULT_URL, TargetKind
from load_tester.swarm.arguments import Work
from load_tester.swarm.judging import Reply, judge
from load_tester.targets.answers import read_process_answer, read_result, read_ticket
from load_tester.targets.base import Answer, Ticket
from load_tester.targets.dispatcher import write_query
from load_tester.targets.polling import WAIT_S, Habits, Looks, read_retry_after

TIMEOUT_S = 60.0

Value = TypeVar("Value")


class PipelineUser(FastHttpUser):
    """Sends one image a second and waits for its result.

    A slow service slows it down: then it sends as soon as the image before has ended.
    """

    work: Work
    """What all users send; there before the first of them starts."""

    host = DEFAULT_URL
    wait_time = constant_pacing(1.0)
    network_timeout = TIMEOUT_S
    connection_timeout = TIMEOUT_S
    insecure = False

    def on_start(self) -> None:
        """Begin anywhere among the endpoints and images, so that users do not go in step."""
        target = self.work.target
        self._urls = _from_anywhere(target.urls)
        self._uploads = _from_anywhere(self.work.uploads)
        self._query = write_query(target)
        self._key = {"Authorization": f"Bearer {target.api_key}"} if target.api_key else {}
        self._habits = Habits()

    @task
    def send_image(self) -> None:
        """Send one image, see and check its result, and report the whole and each step."""
        url, upload = next(self._urls), next(self._uploads)
        send = self._process if self.work.target.kind is TargetKind.REPLICA else self._submit
        began_s = now_s()
        try:
            answer = send(url, upload)
            taken_s = now_s() - began_s
            self.work.checks.judge(answer, upload, picture=self._picture(url, answer, upload))
        except ImageError as exc:
            self._report("IMAGE", "end to end", now_s() - began_s, exc)
            return
        self._report("IMAGE", "end to end", taken_s)
        for step_id, step_s in answer.steps_s.items():
            self._report("STEP", f"step {step_id}", step_s)

    def _process(self, url: str, upload: Upload) -> Answer:
        """Send an image to a step replica, which answers with its result."""
        return judge(
            self._post(f"{url}/process", upload, name="/process"),
            lambda reply: read_process_answer(
                reply.status, reply.headers, reply.body, file=upload.file
            ),
        )

    def _submit(self, url: str, upload: Upload) -> Answer:
        """Send an image to a dispatcher and ask for its result until it is there."""
        address = f"{url}/predict_async{self._query}"
        ticket = judge(self._post(address, upload, name="/predict_async"), self._read_ticket)
        looks = Looks(self._habits, accepted_s=now_s(), is_done=ticket.from_cache)
        give_up_s = now_s() + TIMEOUT_S
        while now_s() < give_up_s:
            # Locust has made it one that lets the other users go on.
            time.sleep(looks.pause_s)
            answer = self._look(url, ticket, upload, looks)
            if answer is not None:
                return answer
        raise FailedError("no_result")

    def _read_ticket(self, reply: Reply) -> Ticket:
        """Return a ticket that no other upload of this process was given."""
        ticket = read_ticket(reply.status, reply.body)
        if ticket.request_id in self.work.tickets:
            raise WrongError("ticket_given_twice")
        self.work.tickets.add(ticket.request_id)
        return ticket

    def _look(self, url: str, ticket: Ticket, upload: Upload, looks: Looks) -> Answer | None:
        """Ask once; return None while the job is under way, or the service broken or busy."""

        def read(reply: Reply) -> Answer | None:
            if reply.status != HTTPStatus.OK:
                retry_after_s = read_retry_after(reply.headers.get("Retry-After", ""))
                looks.note_missed(reply.status, retry_after_s=retry_after_s, now_s=now_s())
                return None
            looks.note_found(now_s())
            return read_result(reply.body, request_id=ticket.request_id, file=upload.file)

        looks.begin(now_s())
        address = f"{_result(url, ticket.request_id)}?wait={WAIT_S}"
        try:
            return judge(self._get(address, name="/result/[id]"), read)
        except BrokenError:
            looks.note_broken()
            return None

    def _picture(self, url: str, answer: Answer, upload: Upload) -> bytes | None:
        """Return the picture, which a dispatcher is asked for only where a check needs it."""
        if answer.picture is not None or not self.work.checks.want_picture(answer, upload):
            return answer.picture
        request_id = str((answer.document or {}).get("request_id", ""))
        return judge(
            self._get(f"{_result(url, request_id)}/image", name="/result/[id]/image"),
            lambda reply: reply.body if reply.status == HTTPStatus.OK else None,
        )

    def _post(self, address: str, upload: Upload, *, name: str) -> ResponseContextManager:
        return self.client.post(
            address,
            data=upload.body,  # type: ignore[arg-type]  # bytes go out as they are
            name=name,
            headers={**upload.headers, **self._key},
            catch_response=True,
        )

    def _get(self, address: str, *, name: str) -> ResponseContextManager:
        return self.client.get(address, name=name, headers=self._key, catch_response=True)

    def _report(
        self, kind: str, name: str, taken_s: float, error: ImageError | None = None
    ) -> None:
        """Add a figure of ours to Locust's; it counts in milliseconds."""
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=taken_s * 1000,
            response_length=0,
            exception=error,
            context=self.context(),
        )


def _from_anywhere(values: Sequence[Value]) -> Iterator[Value]:
    """Go round the values for ever, beginning with any of them."""
    first = random.randrange(len(values))
    return cycle([*values[first:], *values[:first]])


def _result(url: str, request_id: str) -> str:
    return f"{url}/result/{quote(request_id, safe='')}"
