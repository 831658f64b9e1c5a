"""What a store need not do while there is no other dispatcher."""

from dispatcher.jobs import CachedResult, Job


class OneProcess:
    """A ``ResultStore`` that no other process uses."""

    def unready(self) -> str | None:
        """Say what cannot be reached: all of it is here."""
        return None

    async def note_accepted(self, job: Job) -> None:
        """Nothing to note: nobody else waits to know."""

    async def find_cached(self, key: str | None) -> CachedResult | None:
        """Return nothing: what this process has kept it knows."""
        return None
