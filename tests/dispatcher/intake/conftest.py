import pytest

from tests.dispatcher.rooms import Rooms


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()
