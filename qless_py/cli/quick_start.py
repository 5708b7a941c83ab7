"""Imports redis-py without the SDK of OpenTelemetry, which takes a sixth of the start of a command.

redis-py imports the SDK wherever it is installed, but names it in annotations only: its metrics,
which a program must switch on, use the API. Importing this module first is enough.
"""

import importlib
import sys
from typing import Any, Final

_SDK: Final = "opentelemetry.sdk.metrics"


def import_redis() -> None:
    """Import redis-py as if the SDK were not installed; later imports of the SDK find it."""
    modules: dict[str, Any] = sys.modules
    if "redis" in modules or _SDK in modules:
        return
    modules[_SDK] = None  # By this, an import fails without a search.
    try:
        importlib.import_module("redis")
    finally:
        del modules[_SDK]


import_redis()
