"""Opens the target that the settings ask for."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from load_tester.pacing import Alarms, open_alarms
from load_tester.settings import TargetKind, TargetSettings
from load_tester.targets.base import Target
from load_tester.targets.checks import Checks
from load_tester.targets.client import HttpClient, open_session
from load_tester.targets.dispatcher import DispatcherTarget
from load_tester.targets.operations import OperationsTarget
from load_tester.targets.replica import ReplicaTarget
from load_tester.targets.several import SeveralTargets


@asynccontextmanager
async def open_target(
    settings: TargetSettings, *, checks: Checks | None = None
) -> AsyncIterator[Target]:
    """Open the target; nothing is sent yet. Every endpoint has connections of its own."""
    checks = checks or Checks()
    async with AsyncExitStack() as stack:
        alarms = stack.enter_context(open_alarms())
        targets: list[Target] = []
        for url in settings.urls:
            session = await stack.enter_async_context(open_session(api_key=settings.api_key))
            client = HttpClient(session, url=url)
            targets.append(
                _create_target(client, url=url, settings=settings, checks=checks, alarms=alarms)
            )
        yield targets[0] if len(targets) == 1 else SeveralTargets(targets)


def _create_target(
    client: HttpClient, *, url: str, settings: TargetSettings, checks: Checks, alarms: Alarms
) -> Target:
    if settings.kind is TargetKind.REPLICA:
        return ReplicaTarget(client, url=url, checks=checks)
    if settings.operations is not None:
        return OperationsTarget(client, url=url, settings=settings, checks=checks, alarms=alarms)
    return DispatcherTarget(client, url=url, settings=settings, checks=checks, alarms=alarms)
