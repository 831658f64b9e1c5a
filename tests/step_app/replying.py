"""Reading the replies of a batch."""

from step_app.contract.frames import ItemReply


def bytes_of(reply: ItemReply) -> bytes:
    """The body of a reply, whether it was made in parts or received as a view."""
    if isinstance(reply.body, bytes | memoryview):
        return bytes(reply.body)
    return b"".join(reply.body)
