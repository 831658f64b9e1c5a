"""Everything that can go wrong in a replica, on one screen.

::

    StepError                      one request or image, answered with its status and code
    ├── InvalidRequestError        400 invalid_request
    ├── MissingImageError          422 missing_field
    ├── EmptyImageError            422 empty_file
    ├── PayloadTooLargeError       413 payload_too_large
    ├── InvalidParamsError         422 invalid_params
    ├── UnsupportedImageTypeError  415 unsupported_image_type
    ├── ImageTooLargeError         422 image_too_large
    ├── ImageTooComplexError       422 image_too_complex
    ├── TooManyFramesError         422 too_many_frames
    ├── ImageTruncatedError        422 image_truncated
    ├── ImageCorruptError          422 image_corrupt
    ├── UnwantedError              499 cancelled
    ├── StepFailedError            500 step_failed
    ├── NotReadyError              503 not_ready
    ├── NextStepMissingError       502 next_step_missing
    ├── NextStepUnreadyError       503 next_step_unready
    └── NextStepFailedError        502 next_step_failed
    ConfigurationError             this replica can never start as configured
    └── WeightsMissingError        the model's weights cannot be had
"""

from typing import ClassVar


class StepError(Exception):
    """A request or image that gets an answer of its own instead of a result."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "step_failed"
    title: ClassVar[str] = "The step failed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or f"{self.title}."

    def named(self, step: str) -> "StepError":
        """Return this error again, saying which step it was that failed."""
        copy = type(self)(f"{step}: {self.detail}")
        copy.__cause__ = self
        return copy


class InvalidRequestError(StepError):
    """The body is not what this endpoint takes."""

    status, code, title = 400, "invalid_request", "The request is malformed"


class MissingImageError(StepError):
    """A form without its ``image`` file."""

    status, code, title = 422, "missing_field", "The form has no file field named image"


class EmptyImageError(StepError):
    """Zero bytes instead of an image."""

    status, code, title = 422, "empty_file", "The image is empty"


class PayloadTooLargeError(StepError):
    """More bytes than the contract allows."""

    status, code, title = 413, "payload_too_large", "The body is too large"


class InvalidParamsError(StepError):
    """Params that the step does not take, or out of range."""

    status, code, title = 422, "invalid_params", "The params are invalid"


class UnsupportedImageTypeError(StepError):
    """Not one of the containers that Conveyor reads."""

    status, code, title = 415, "unsupported_image_type", "This is no supported image"


class ImageTooLargeError(StepError):
    """More pixels than the limit, by the header or by the data."""

    status, code, title = 422, "image_too_large", "The image has too many pixels"


class ImageTooComplexError(StepError):
    """More work to decode than its size can justify."""

    status, code, title = 422, "image_too_complex", "The image takes too long to decode"


class TooManyFramesError(StepError):
    """An animation of more frames than are looked at."""

    status, code, title = 422, "too_many_frames", "The image has too many frames"


class ImageTruncatedError(StepError):
    """The image ends before its pixels do."""

    status, code, title = 422, "image_truncated", "The image ends too early"


class ImageCorruptError(StepError):
    """The image's data contradicts its format."""

    status, code, title = 422, "image_corrupt", "The image is damaged"


class UnwantedError(StepError):
    """Nobody waits for the image any more; the status is nginx's for a client that has gone."""

    status, code, title = 499, "cancelled", "The work was cancelled"


class StepFailedError(StepError):
    """The step broke on an image that decoded well."""


class NotReadyError(StepError):
    """The replica is starting or draining."""

    status, code, title = 503, "not_ready", "The replica is not ready"


class NextStepMissingError(StepError):
    """The pipeline names a step that is not active, and no later one is."""

    status, code, title = 502, "next_step_missing", "The next step is not there"


class NextStepUnreadyError(StepError):
    """No replica of the next step takes work."""

    status, code, title = 503, "next_step_unready", "The next step is not ready"


class NextStepFailedError(StepError):
    """The next step broke the connection or answered garbage."""

    status, code, title = 502, "next_step_failed", "The next step failed"


class ConfigurationError(Exception):
    """The replica can never start as it is configured; the message is one line for a person."""


class WeightsMissingError(ConfigurationError):
    """The weights of a known model cannot be had from anywhere."""
