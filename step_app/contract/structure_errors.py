"""What the structure of a file is refused for; each program answers with an error of its own."""

from typing import ClassVar

from step_app.contract.limits import MAX_FRAMES


class StructureError(ValueError):
    """A file that is refused before anything decodes it; the message is a sentence for people."""

    code: ClassVar[str]
    """As on the wire."""


class CorruptStructureError(StructureError):
    """Its pieces contradict its format, or there are more than any encoder writes."""

    code = "image_corrupt"


class TooManyFramesInFileError(StructureError):
    """An animation, or a document, of more pictures than are looked at."""

    code = "too_many_frames"

    def __init__(self) -> None:
        super().__init__(f"The image has more than {MAX_FRAMES} frames.")


class FrameTooLargeError(StructureError):
    """Its first frame is larger than any picture may be."""

    code = "image_too_large"
