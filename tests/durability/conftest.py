from collections.abc import Callable

import pytest

Tell = Callable[[str], None]


@pytest.fixture
def tell() -> Tell:
    """Say a measured figure; pytest shows it on failure and with -s."""

    def say(line: str) -> None:
        print(line)  # noqa: T201 - for a person

    return say
