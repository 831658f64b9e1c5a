import gc
import weakref

from fastapi import FastAPI

from tests.memory import pytest_runtest_logfinish


class Service:
    """What an application works with."""


def application(service: Service) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def answer() -> str:
        return repr(service)

    return app


def test_an_application_and_all_behind_it_go_with_its_test() -> None:
    service = Service()
    app = application(service)
    kept = weakref.ref(service)
    del app, service
    pytest_runtest_logfinish()
    gc.collect()
    assert kept() is None
