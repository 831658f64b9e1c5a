"""Options of all tests: ``--long`` for the long forms, ``--seed`` to repeat what failed."""

import random
from collections.abc import Callable

import pytest
from hypothesis import settings

pytest_plugins = ["tests.memory", "tests.scheduling", "tests.servers.fixtures"]

_LONG_TIMEOUT_S = 7200

Tell = Callable[[str], None]

# An example has no deadline: a noisy machine would break it.
settings.register_profile("conveyor", settings(), deadline=None)
settings.load_profile("conveyor")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run the long forms of the proofs (hours, not minutes)"
    )
    parser.addoption(
        "--seed", type=int, default=None, help="seed of everything random, to repeat a failure"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        for item in items:
            # Before its own mark: the first one counts.
            item.add_marker(pytest.mark.timeout(_LONG_TIMEOUT_S), append=False)


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    """Whether the long forms are wanted."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """A seed that a failure shows; another one each time unless ``--seed`` says which."""
    given: int | None = pytestconfig.getoption("--seed")
    chosen = random.SystemRandom().randrange(1_000_000) if given is None else given
    print(f"seed {chosen}: repeat with --seed {chosen}")  # noqa: T201 - pytest shows it on failure
    return chosen


@pytest.fixture
def tell() -> Tell:
    """Say a measured figure; pytest shows it on failure and with -s."""

    def say(line: str) -> None:
        print(line)  # noqa: T201 - for a person

    return say
