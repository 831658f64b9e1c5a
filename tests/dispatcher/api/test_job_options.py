"""What a client may ask for in how its picture is cut, and what it is told of every step."""

import httpx
import pytest

from dispatcher.jobs import Job
from dispatcher.wiring import Services
from tests.dispatcher.api.contract import check
from tests.dispatcher.forms import CONTENT_TYPE, IMAGE, form, text
from tests.dispatcher.images import png
from tests.dispatcher.records import completed, make_job, make_pipeline, make_stage

RAW = {"content-type": "image/png"}
FORM = {"content-type": CONTENT_TYPE.decode()}


@pytest.fixture
def sobel(services: Services) -> None:
    """A pipeline that can be cut beside the default one, which cannot."""
    stage = make_stage(pipeline_id="edges", step_type="sobel")
    services.pipelines.replace([make_pipeline(), make_pipeline(stage, pipeline_id="edges")])


async def queued(services: Services) -> Job:
    lease = await services.queue.reserve(services.queue.lanes())
    assert lease is not None
    return await services.results.get(lease.job_id)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, check(response).json()["code"]


@pytest.mark.parametrize("path", ["/predict_async", "/predict?timeout_s=0"])
async def test_tiles_stand_in_the_query_or_in_the_form(
    http: httpx.AsyncClient, services: Services, sobel: None, path: str
) -> None:
    query = {"pipeline": "edges", "tiles": "4"}
    url = httpx.URL(path).copy_merge_params(query)
    assert check(await http.post(url, content=png(), headers=RAW)).status_code == 202
    assert (await queued(services)).overrides == {"0": {"tiles": 4}}
    body = form(IMAGE, text("pipeline", "edges"), text("tiles", "8"))
    assert check(await http.post(path, content=body, headers=FORM)).status_code == 202
    assert (await queued(services)).overrides == {"0": {"tiles": 8}}


async def test_params_of_a_step_go_before_tiles_for_all(
    http: httpx.AsyncClient, services: Services, sobel: None
) -> None:
    params = {"pipeline": "edges", "tiles": "4", "params": '{"sobel": {"tiles": 2, "ksize": 5}}'}
    await http.post("/predict_async", content=png(), headers=RAW, params=params)
    assert (await queued(services)).overrides == {"0": {"tiles": 2, "ksize": 5}}


@pytest.mark.parametrize("tiles", ["0", "65", "-1", "four", "", "1.5", "٣", "9" * 100])
@pytest.mark.parametrize("pipeline", ["edges", "default"])
async def test_tiles_that_cannot_be_are_refused(
    http: httpx.AsyncClient, services: Services, sobel: None, tiles: str, pipeline: str
) -> None:
    params = {"pipeline": pipeline, "tiles": tiles}
    response = await http.post("/predict_async", content=png(), headers=RAW, params=params)
    assert code_of(response) == (422, "invalid_value")
    assert services.results.count() == services.queue.depth() == 0


@pytest.mark.parametrize("tiles", ["1", "4"])
async def test_tiles_of_a_pipeline_that_cannot_be_cut_are_refused(
    http: httpx.AsyncClient, services: Services, tiles: str
) -> None:
    response = await http.post(f"/predict_async?tiles={tiles}", content=png(), headers=RAW)
    assert code_of(response) == (422, "invalid_params")
    assert "sobel" in response.json()["detail"], "it says which steps can"
    assert services.results.count() == services.queue.depth() == 0


async def test_tiles_twice_are_refused(http: httpx.AsyncClient, sobel: None) -> None:
    body = form(IMAGE, text("tiles", "2"))
    response = await http.post("/predict_async?tiles=2", content=body, headers=FORM)
    assert code_of(response) == (400, "duplicate_field")


async def test_a_result_comes_with_the_time_of_every_step(
    http: httpx.AsyncClient, services: Services
) -> None:
    await services.results.add(completed(make_job()))
    response = check(await http.get("/result/job-1"))
    assert response.headers["x-step-0-time"] == "0.125000"


async def test_a_job_that_has_not_ended_comes_with_no_time(
    http: httpx.AsyncClient, services: Services
) -> None:
    await services.results.add(make_job())
    response = check(await http.get("/result/job-1"))
    assert response.status_code == 202
    assert not [name for name in response.headers if name.startswith("x-step")]
