"""Several endpoints at once, taken in turns by the numbers of the images.

The moments are planned and each image's endpoint is fixed with them, so a slow endpoint gets no
fewer images than the others and delays none of theirs.
"""

import asyncio
from collections.abc import Sequence

from load_tester.targets.base import Endpoint, Target


class SeveralTargets:
    """Targets behind one; only the endpoint that `choose` returns is ever sent to."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = tuple(targets)
        self.names = tuple(name for target in targets for name in target.names)

    @property
    def uploads(self) -> int:
        """Sends begun so far, by all of them."""
        return sum(target.uploads for target in self._targets)

    def choose(self, index: int) -> Endpoint:
        """Return the endpoint whose turn the image is."""
        turn, place = divmod(index, len(self._targets))
        return self._targets[place].choose(turn)

    async def check_reachable(self) -> None:
        """Return when every endpoint answers; raises UnreachableError naming one that does not."""
        answers = (target.check_reachable() for target in self._targets)
        for outcome in await asyncio.gather(*answers, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
