"""A step replica: the answer comes with the upload."""

from load_tester.errors import WrongError
from load_tester.images import Upload
from load_tester.targets.answers import read_process_answer
from load_tester.targets.base import Answer, Ticket
from load_tester.targets.checks import Checks
from load_tester.targets.client import HttpClient


class ReplicaTarget:
    """One step replica at `url`, perhaps the first of a chain that forwards."""

    def __init__(self, client: HttpClient, *, url: str, checks: Checks) -> None:
        self.name = url
        self.names = (url,)
        self.uploads = 0
        self._client = client
        self._checks = checks
        self._process_address = client.address("/process")

    def choose(self, _: int) -> "ReplicaTarget":
        """Return itself."""
        return self

    async def check_reachable(self) -> None:
        """Return when anything answers; raises UnreachableError with the cause."""
        await self._client.check_reachable("/health")

    async def send(self, upload: Upload) -> Answer:
        """Send one image and return what the last step made of it."""
        self.uploads += 1
        reply = await self._client.post(
            self._process_address, body=upload.body, headers=upload.headers
        )
        return read_process_answer(reply.status, reply.headers, reply.body, file=upload.file)

    async def await_answer(self, ticket: Ticket, upload: Upload) -> Answer:
        """Raise, for a replica gives no tickets."""
        raise WrongError("ticket_from_a_replica")

    async def check(self, answer: Answer, upload: Upload) -> None:
        """Compare the answer with what is expected."""
        self._checks.judge(answer, upload, picture=answer.picture)
