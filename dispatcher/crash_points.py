"""Named moments at which a test can have the process die: nothing happens unless it is asked for.

``DISPATCHER_CRASH_AT=before_commit:3`` ends the process the third time it comes there, as abruptly
as ``kill -9`` would. So it is proved that no moment exists in which something accepted is lost.
"""

import os
from collections import Counter
from typing import Final, Literal

CrashPoint = Literal[
    "body_read",
    "blob_written",
    "before_commit",
    "after_commit_before_202",
    "leased",
    "mid_forward",
    "reply_received",
    "result_written",
    "before_ack",
    "acked",
    "webhook_claimed",
    "webhook_sent",
]
_KILLED: Final = 137
_name, _, _turn = os.environ.get("DISPATCHER_CRASH_AT", "").partition(":")
_left: Final = Counter({_name: int(_turn or 1)} if _name else {})


def crash_point(name: CrashPoint) -> None:
    """Die here, if this is where a test wants it."""
    if name in _left:
        _left[name] -= 1
        if not _left[name]:
            os._exit(_KILLED)
