"""A dispatcher asked for picture operations: each image is a form sent to `POST /process`.

Operations need no pipeline to be made first, and nothing to be taken away afterwards.
"""

import json
from http import HTTPStatus

from load_tester.errors import WrongError
from load_tester.images import Upload, encode_form
from load_tester.pacing import Alarms
from load_tester.settings import TargetSettings
from load_tester.targets.answers import read_ticket
from load_tester.targets.base import Ticket
from load_tester.targets.checks import Checks
from load_tester.targets.client import HttpClient
from load_tester.targets.dispatcher import DispatcherTarget


class OperationsTarget(DispatcherTarget):
    """One dispatcher at `url`, asked for the operations of the settings; images are sent raw."""

    def __init__(
        self,
        client: HttpClient,
        *,
        url: str,
        settings: TargetSettings,
        checks: Checks,
        alarms: Alarms,
    ) -> None:
        super().__init__(client, url=url, settings=settings, checks=checks, alarms=alarms)
        self._submit_address = client.address("/process")
        self._operations = settings.operations or "[]"
        self._use_cache = settings.use_cache
        # Each image is encoded when it is first sent; the upload is kept, so its id stays its own.
        self._forms: dict[int, tuple[Upload, Upload]] = {}

    async def send(self, upload: Upload) -> Ticket:
        """Send one form and return the ticket of its only file."""
        self.uploads += 1
        if id(upload) not in self._forms:
            self._forms[id(upload)] = (upload, self._encode(upload))
        _, form = self._forms[id(upload)]
        reply = await self._client.post(self._submit_address, body=form.body, headers=form.headers)
        accepted = reply.status == HTTPStatus.ACCEPTED
        body = _find_ticket(reply.body) if accepted else reply.body
        return self._admit(read_ticket(reply.status, body))

    def _encode(self, upload: Upload) -> Upload:
        return encode_operations(upload, operations=self._operations, use_cache=self._use_cache)


def encode_operations(upload: Upload, *, operations: str, use_cache: bool) -> Upload:
    """Return an image, encoded raw, as a form that asks for `operations`, a JSON list."""
    fields = {
        "actions": f'{{"operations": {operations}}}',
        "cache": "true" if use_cache else "false",
    }
    body, headers = encode_form(
        fields,
        field="files",
        name=upload.name,
        content_type=upload.headers["Content-Type"],
        body=upload.body,
    )
    return Upload(file=upload.file, body=body, headers=headers)


def _find_ticket(body: bytes) -> bytes:
    """Return the one ticket in the answer to a batch; raises WrongError when it is none."""
    try:
        (ticket,) = json.loads(body)["requests"]
        return json.dumps(ticket).encode()
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise WrongError("batch_without_a_ticket") from exc
