"""Keeps the interpreter from pausing in the middle of a run."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Collecting garbage looks at every object: with 10,000 images in flight that held up the sender
# for 230 ms. A run makes next to none of the kind that needs it (objects that point at each
# other), unless connections are refused, 80 objects each time. So it is looked for only when one
# and a half million objects more are alive, which 10,000 in flight do not reach.
_NEW_OBJECTS = 1_500_000
_SELDOM = 1000
# Another thread, such as that of the live view, lets go of the interpreter after this long; the
# usual 5 ms would be lateness.
_SWITCH_INTERVAL_S = 0.0002


@contextmanager
def keep_calm() -> Iterator[None]:
    """Look for garbage before, hardly during, and as usual again after."""
    thresholds, interval_s = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _SELDOM, _SELDOM)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
