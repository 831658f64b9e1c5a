"""What an administrator allows."""

import pytest

from dispatcher.errors import StartupError
from dispatcher.topology.kubernetes.permissions import read_host_volumes


def test_nothing_of_a_host_is_allowed_unless_somebody_says_so() -> None:
    assert read_host_volumes("") == {}


def test_folders_are_where_a_jetson_has_them_unless_told() -> None:
    assert read_host_volumes("cuda, lib=/opt/host/lib") == {
        "cuda": "/usr/local/cuda",
        "lib": "/opt/host/lib",
    }


@pytest.mark.parametrize(
    "text", ["etc", "cuda=", "cuda=relative", "lib=/a/../etc", "lib=/", "cuda=/a b"]
)
def test_what_is_no_such_folder_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(StartupError, match="--step-volumes"):
        read_host_volumes(text)
