"""The dispatcher's HTTP application."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from dispatcher.api.batches import BatchEndpoint, ProcessEndpoint, batch_routes
from dispatcher.api.events import EventsEndpoint, event_routes
from dispatcher.api.front_door import FrontDoor
from dispatcher.api.guards.bodies import UploadBudget
from dispatcher.api.guards.guard import Guard
from dispatcher.api.images import image_router
from dispatcher.api.jobs import (
    PredictEndpoint,
    ResultEndpoint,
    ResultView,
    SubmitEndpoint,
    job_routes,
)
from dispatcher.api.openapi import install_openapi
from dispatcher.api.pipelines import pipeline_router
from dispatcher.api.problems import (
    answer_http_error,
    answer_request_error,
    answer_unexpected,
    answer_validation_error,
)
from dispatcher.api.queue import queue_router
from dispatcher.api.results import CancelEndpoint, ListEndpoint, RequeueEndpoint, result_routes
from dispatcher.api.service import ServiceState, service_router
from dispatcher.api.static import static_router
from dispatcher.api.status import StatusView
from dispatcher.api.step_types import step_type_router
from dispatcher.errors import RequestError
from dispatcher.intake.batches import BatchIntake
from dispatcher.intake.queue_operations import QueueOperations
from dispatcher.intake.requeueing import Requeueing
from dispatcher.web.page import load_page, page_router
from dispatcher.wiring import Services, callback_policy


def create_app(services: Services) -> FrontDoor:
    """Build the application over services that somebody else starts and closes."""
    view = ResultView(queue=services.queue, figures=services.figures)
    callbacks = callback_policy(services.settings)
    submit = SubmitEndpoint(services.intake, services.queue, callbacks=callbacks)
    result = ResultEndpoint(services.results, view)
    predict = PredictEndpoint(
        services.intake, services.queue, services.results, view, callbacks=callbacks
    )
    events = EventsEndpoint(services.results, ending=services.lifecycle.ending)
    process = ProcessEndpoint(_batch_intake(services), services.results, services.blobs)
    app = _create_api(services)
    app.router.routes += job_routes(submit=submit, result=result, predict=predict)
    app.router.routes += event_routes(events)
    app.router.routes += result_routes(
        listing=ListEndpoint(services.results, view),
        cancel=CancelEndpoint(services.results, services.endings),
        requeue=RequeueEndpoint(services.results, _requeueing(services), services.queue),
    )
    app.router.routes += batch_routes(process=process, batch=BatchEndpoint(services.results))
    install_openapi(app)
    return FrontDoor(
        app,
        submissions={"/predict_async": submit, "/predict": predict, "/process": process},
        result=result,
        on_refused=services.figures.count_refused,
        budget=UploadBudget(services.settings.upload_budget_bytes),
        doorkeeper=_doorkeeper(services),
        tracer=services.tracer,
    )


def _doorkeeper(services: Services) -> Guard | None:
    if services.keys is None:
        return None
    return Guard(services.keys, rate_per_s=services.settings.rate_limit_per_s)


def _requeueing(services: Services) -> Requeueing:
    return Requeueing(
        intake=services.intake,
        blobs=services.blobs,
        pipelines=services.pipelines,
        coalescing=services.coalescing,
        figures=services.figures,
    )


def _queue_operations(services: Services) -> QueueOperations:
    return QueueOperations(
        queue=services.queue,
        results=services.results,
        endings=services.endings,
        requeueing=_requeueing(services),
    )


def _batch_intake(services: Services) -> BatchIntake:
    return BatchIntake(
        intake=services.intake,
        results=services.results,
        blobs=services.blobs,
        pipelines=services.pipelines,
        cache=services.cache,
        coalescing=services.coalescing,
        figures=services.figures,
    )


def _create_api(services: Services) -> FastAPI:
    # Its pages load nothing from elsewhere: /docs works without the internet, too.
    app = FastAPIOffline(
        title="Conveyor",
        summary="Put pictures on a belt, get answers you can trust.",
        version="0.1.0",
        redoc_url=None,
        # A path is right or wrong: to guess another from an odd one helps only the odd.
        redirect_slashes=False,
    )
    app.add_exception_handler(RequestError, answer_request_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    app.add_exception_handler(Exception, answer_unexpected)
    app.include_router(page_router(load_page()))
    app.include_router(image_router(results=services.results, blobs=services.blobs))
    app.include_router(static_router(results=services.results, blobs=services.blobs))
    app.include_router(pipeline_router(services.admin))
    app.include_router(step_type_router())
    app.include_router(queue_router(_queue_operations(services), backend=services.settings.queue))
    app.include_router(
        service_router(
            status=StatusView(
                figures=services.figures,
                queue=services.queue,
                results=services.results,
                cache=services.cache,
                pools=services.pools,
                pipelines=services.pipelines,
                blobs=services.blobs,
            ),
            metrics=services.metrics,
            queue=services.queue,
            blobs=services.blobs,
            pools=services.pools,
            read_state=lambda: _state_of(services),
        )
    )
    return app


def _state_of(services: Services) -> ServiceState:
    lifecycle = services.lifecycle
    away = [reason for server in services.servers if (reason := server.unready()) is not None]
    if not away:
        lifecycle.has_met_servers = True
    if lifecycle.is_draining:
        return ServiceState(unready=["draining"], away=away)
    starting = [] if lifecycle.is_started else ["starting: no replica is ready yet"]
    # Later on it stays ready without them: what has ended can still be read, and a refusal with
    # a word on when to come back is more than a closed door.
    missing = [] if lifecycle.has_met_servers else [f"starting: {reason}" for reason in away]
    # Of one that is refused the others may be well: clients are to be sent there.
    refused = (
        []
        if missing
        else [server.unready() or "" for server in services.servers if server.refuses()]
    )
    return ServiceState(unready=[*starting, *missing, *refused], away=away)
