"""How a dispatcher takes back items of a batch that a replica is working on.

A batch of which nothing is wanted any more needs no word: its connection is closed. One of which
some items are not is left open, and the ids of those are sent to ``CANCEL_PATH`` as JSON,
``{"ids": [...]}``. The replica answers them with ``CANCELLED_STATUS`` in the batch's own reply.
"""

import json
from collections.abc import Sequence
from typing import Final

from step_app.contract.frames import MALFORMED, ContractError

CANCEL_PATH: Final = "/cancel"
CANCELLED_STATUS: Final = 499
"""The client has gone away: the custom of nginx."""


def encode_cancellation(ids: Sequence[str]) -> bytes:
    """Return the body that names items."""
    return json.dumps({"ids": list(ids)}, separators=(",", ":")).encode()


def decode_cancellation(body: bytes) -> list[str]:
    """Parse the body that names items.

    Raises:
        ContractError: it is malformed.
    """
    try:
        return [str(item_id) for item_id in json.loads(body)["ids"]]
    except MALFORMED as exc:
        raise ContractError("the body does not name items") from exc
