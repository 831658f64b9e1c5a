"""Import OpenVINO without its telemetry.

Importing the package and converting a model each report to its maker, from forked processes
that inherit our locks and sockets and hang where there is no internet. When the telemetry
package cannot be imported OpenVINO uses its own stub instead, so that is what happens here.
"""

import importlib
import sys
from typing import Any


def import_openvino() -> Any:
    """Return the package openvino, imported."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # makes imports fail
    return importlib.import_module("openvino")
