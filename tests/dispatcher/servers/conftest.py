from functools import partial

import pytest

from dispatcher.servers.breaker import BreakerPolicy


@pytest.fixture
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that were away are looked at again soon."""
    soon = partial(BreakerPolicy, probe_interval_s=0.1, first_pause_s=0.05, max_pause_s=0.1)
    monkeypatch.setattr("dispatcher.servers.watch.BreakerPolicy", soon)
    monkeypatch.setattr("dispatcher.servers.objects._POLICY", soon(slow_s=60.0))
