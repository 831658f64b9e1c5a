"""Keeps a process that runs thousands of tests small, so that looking for garbage stays quick."""

import gc

import pytest
from fastapi.dependencies import models


def pytest_collection_finish() -> None:
    """Take the tests themselves, which stay to the end, out of every look for garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """Let go of the applications of a test: FastAPI remembers up to 4,096 of their functions.

    With each go its services, its connections to databases and what they had read.
    """
    for remembered in vars(models).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()
