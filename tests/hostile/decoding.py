"""Decodes one file in a process of its own and tells what it cost.

``python -m tests.hostile.decoding < FILE`` prints the size or the code of the error, the time in
seconds of processor time, and by how many bytes the most memory that was resident has grown.
"""

import json
import re
import sys
import time
from pathlib import Path

from step_app.codec import decode_upright_pixels
from step_app.errors import StepError

_KIBIBYTE = 1024


def main() -> None:
    data = sys.stdin.buffer.read()
    before = most_resident_bytes()
    started = time.process_time()
    try:
        end = "completed" if decode_upright_pixels(data).size else "empty"
    except StepError as exc:
        end = exc.code
    spent_s = time.process_time() - started
    grown = most_resident_bytes() - before
    cost = {"end": end, "spent_s": spent_s, "grown_bytes": grown}
    sys.stdout.write(json.dumps(cost) + "\n")


def most_resident_bytes() -> int:
    """Return the high-water mark of this program; ``getrusage`` tells its parent's, too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * _KIBIBYTE


if __name__ == "__main__":
    main()
