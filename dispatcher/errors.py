"""Everything that a client or a person at the start can be told, on one screen.

::

    RequestError                     a request that is answered with a problem document
    ├── 400  MalformedMultipartError, UnknownFieldError, DuplicateFieldError, IncompleteBodyError,
    │        BadRequestError
    ├── 401  UnauthorizedError
    ├── 403  ForbiddenError, ChangesOffError
    ├── 404  NotFoundError, UnknownPipelineError
    ├── 408  RequestTimeoutError
    ├── 409  PipelineProtectedError, TooManyPipelinesError, TooManyReplicasError, AlreadyEndedError,
    │        NotFailedError, ClusterConflictError, ClusterQuotaError
    ├── 410  GoneError, ImageGoneError
    ├── 413  PayloadTooLargeError, TooManyPartsError, FieldTooLargeError
    ├── 414  UriTooLongError
    ├── 415  UnsupportedMediaTypeError, UnsupportedEncodingError, UnsupportedImageTypeError
    ├── 422  MissingFieldError, WrongFieldKindError, InvalidValueError, InvalidParamsError,
    │        EmptyFileError, ImageTooLargeError, ImageCorruptError, InvalidPipelineError,
    │        TooManyFramesError, IdempotencyKeyReusedError, InvalidCallbackUrlError
    ├── 429  RateLimitedError                         with Retry-After
    ├── 431  HeadersTooLargeError
    ├── 502  ClusterRefusedError
    └── 503  OverloadedError, NoReplicaError, DrainingError   with Retry-After
             StorageFullError, ClusterUnavailableError, QueueUnavailableError,
             ResultsUnavailableError, StorageUnavailableError, NotAcceptingError
    StartupError                     the service cannot start; one line for a person

What can go wrong with one attempt at a replica is in ``pools/errors``.
"""

from typing import ClassVar


class RequestError(Exception):
    """A request that is answered with a problem document."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or f"{self.title}."
        self.retry_after_s = retry_after_s


class MalformedMultipartError(RequestError):
    """The form cannot be parsed."""

    status, code, title = 400, "malformed_multipart", "The form is malformed"


class UnknownFieldError(RequestError):
    """A form or query field that this call does not take."""

    status, code, title = 400, "unknown_field", "Unknown field"


class DuplicateFieldError(RequestError):
    """A field that was sent twice: neither value silently wins."""

    status, code, title = 400, "duplicate_field", "A field was sent twice"


class IncompleteBodyError(RequestError):
    """The client went away before the body was complete."""

    status, code, title = 400, "incomplete_body", "The body is incomplete"


class BadRequestError(RequestError):
    """Bytes that are no HTTP request, or one that two servers could read differently."""

    status, code, title = 400, "bad_request", "The request is malformed"


class UnauthorizedError(RequestError):
    """No API key, or none that is known."""

    status, code, title = 401, "unauthorized", "An API key is needed"


class ForbiddenError(RequestError):
    """The API key's scopes do not cover the call."""

    status, code, title = 403, "forbidden", "The API key does not allow this"


class NotFoundError(RequestError):
    """No such resource, for this caller."""

    status, code, title = 404, "not_found", "Not found"


class UnknownPipelineError(RequestError):
    """No pipeline of that id or name."""

    status, code, title = 404, "unknown_pipeline", "Unknown pipeline"


class RequestTimeoutError(RequestError):
    """The body came too slowly."""

    status, code, title = 408, "request_timeout", "The request took too long to arrive"


class AlreadyEndedError(RequestError):
    """The job has ended, so it cannot be cancelled any more."""

    status, code, title = 409, "already_ended", "The job has ended"


class NotFailedError(RequestError):
    """The job has not failed, so there is nothing to repeat."""

    status, code, title = 409, "not_failed", "The job has not failed"


class PipelineProtectedError(RequestError):
    """A built-in pipeline, which no client may delete."""

    status, code, title = 409, "pipeline_protected", "The pipeline is built in"


class TooManyPipelinesError(RequestError):
    """More pipelines than one machine shall run."""

    status, code, title = 409, "too_many_pipelines", "There are too many pipelines"


class TooManyReplicasError(RequestError):
    """More replicas than one machine shall run."""

    status, code, title = 409, "too_many_replicas", "There are too many replicas"


class GoneError(RequestError):
    """The job ended and its retention has passed."""

    status, code, title = 410, "gone", "The result is no longer kept"


class ImageGoneError(RequestError):
    """The image of a job is not kept, so that it cannot be repeated."""

    status, code, title = 410, "image_gone", "The image is no longer kept"


class PayloadTooLargeError(RequestError):
    """More bytes than a body may have."""

    status, code, title = 413, "payload_too_large", "The body is too large"


class TooManyPartsError(RequestError):
    """More parts than a form may have."""

    status, code, title = 413, "too_many_parts", "The form has too many parts"


class FieldTooLargeError(RequestError):
    """A text field longer than allowed."""

    status, code, title = 413, "field_too_large", "A form field is too large"


class UriTooLongError(RequestError):
    """An address longer than any that leads somewhere."""

    status, code, title = 414, "uri_too_long", "The address is too long"


class UnsupportedMediaTypeError(RequestError):
    """Neither a form nor an image by its Content-Type."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class UnsupportedEncodingError(RequestError):
    """A compressed request body."""

    status, code, title = 415, "unsupported_encoding", "Unsupported content encoding"


class UnsupportedImageTypeError(RequestError):
    """Not one of the image formats that Conveyor reads, judged by content."""

    status, code, title = 415, "unsupported_image_type", "This is no supported image"


class MissingFieldError(RequestError):
    """A field that must be there."""

    status, code, title = 422, "missing_field", "A field is missing"


class WrongFieldKindError(RequestError):
    """A file where text belongs, or the other way round."""

    status, code, title = 422, "wrong_field_kind", "A field is of the wrong kind"


class InvalidValueError(RequestError):
    """A field whose value cannot be."""

    status, code, title = 422, "invalid_value", "A value is invalid"


class InvalidParamsError(RequestError):
    """Step params that no stage of the pipeline takes."""

    status, code, title = 422, "invalid_params", "The params are invalid"


class EmptyFileError(RequestError):
    """Zero bytes instead of an image."""

    status, code, title = 422, "empty_file", "The image is empty"


class ImageTooLargeError(RequestError):
    """More pixels than the limit, by the image's own header."""

    status, code, title = 422, "image_too_large", "The image has too many pixels"


class ImageCorruptError(RequestError):
    """The image's header contradicts its format."""

    status, code, title = 422, "image_corrupt", "The image is damaged"


class InvalidPipelineError(RequestError):
    """A pipeline, or a change of one, that cannot be; the detail names the step."""

    status, code, title = 422, "invalid_pipeline", "The pipeline is invalid"


class TooManyFramesError(RequestError):
    """An animation of more frames than are looked at."""

    status, code, title = 422, "too_many_frames", "The image has too many frames"


class IdempotencyKeyReusedError(RequestError):
    """An Idempotency-Key that came with another request before."""

    status, code, title = 422, "idempotency_key_reused", "The Idempotency-Key was used before"


class InvalidCallbackUrlError(RequestError):
    """A webhook address that is never called."""

    status, code, title = 422, "invalid_callback_url", "The webhook_url is not allowed"


class RateLimitedError(RequestError):
    """This API key is over its share; others are served."""

    status, code, title = 429, "rate_limited", "This key sends too much"


class HeadersTooLargeError(RequestError):
    """More headers, or longer ones, than a request needs."""

    status, code, title = 431, "headers_too_large", "The headers are too large"


class OverloadedError(RequestError):
    """The system is full: refused now rather than dropped later."""

    status, code, title = 503, "overloaded", "The queue is full"


class NoReplicaError(RequestError):
    """No replica has been ready for long: what was accepted waits, nothing is added to it."""

    status, code, title = 503, "no_capacity", "No replica is ready"


class DrainingError(RequestError):
    """The service is about to end and takes no new work."""

    status, code, title = 503, "draining", "The service is shutting down"


class StorageFullError(RequestError):
    """What has to be kept could not be written; nothing of the request is."""

    status, code, title = 503, "storage_full", "The storage takes no more"


class QueueUnavailableError(RequestError):
    """The queue's server does not answer now, or cannot keep anything."""

    status, code, title = 503, "queue_unavailable", "The queue does not answer"


class ResultsUnavailableError(RequestError):
    """The results' server does not answer now."""

    status, code, title = 503, "results_unavailable", "The results cannot be reached"


class StorageUnavailableError(RequestError):
    """The store of images and records does not answer now."""

    status, code, title = 503, "storage_unavailable", "The storage does not answer"


class NotAcceptingError(RequestError):
    """This dispatcher only works on what others have accepted."""

    status, code, title = 503, "not_accepting", "This dispatcher accepts no images"


class ChangesOffError(RequestError):
    """Pipelines are not made, changed or deleted through this service."""

    status, code, title = 403, "pipeline_changes_off", "Pipelines cannot be changed here"


class ClusterConflictError(RequestError):
    """The cluster has something else of that name, or it was changed meanwhile."""

    status, code, title = 409, "cluster_conflict", "The cluster says that this conflicts"


class ClusterQuotaError(RequestError):
    """The cluster's quota or policy does not permit this."""

    status, code, title = 409, "cluster_quota_exceeded", "The cluster does not permit as much"


class ClusterRefusedError(RequestError):
    """The cluster refused what was asked of it, and the detail says why; nothing of it is left."""

    status, code, title = 502, "cluster_refused", "The cluster refused"


class ClusterUnavailableError(RequestError):
    """The cluster does not answer now."""

    status, code, title = 503, "cluster_unavailable", "The cluster does not answer"


class StartupError(Exception):
    """The service cannot start; the message is one line for a person."""
