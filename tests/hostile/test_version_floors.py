"""Libraries that parse what strangers send are never older than their known holes (row C29)."""

from importlib.metadata import version

import pytest

FLOORS = {
    "h11": (0, 16, 0),
    "opencv-python-headless": (4, 12),
    "pillow": (12, 3, 0),
    "python-multipart": (0, 0, 31),
    "starlette": (1, 5, 1),
    "torch": (2, 6, 0),
}
"""Fixed there: CVE-2025-43859; CVE-2025-53644; CVE-2026-55380; CVE-2026-53540; CVE-2026-48710;
CVE-2025-32434."""


@pytest.mark.parametrize("package", FLOORS)
def test_a_library_is_not_older_than_its_fixes(package: str) -> None:
    numbers = version(package).partition("+")[0].split(".")
    installed = tuple(int(number) for number in numbers if number.isdigit())
    assert installed >= FLOORS[package]
