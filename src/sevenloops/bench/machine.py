"""What a benchmark was measured on."""

import platform
from pathlib import Path
from typing import Any

import numpy as np

from sevenloops.version import __version__

__all__ = ["machine"]


def machine(threads: int) -> dict[str, Any]:
    """Return the processor, the system and the versions."""
    return {
        "cpu": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "sevenloops": __version__,
    }


def _processor() -> str:
    """Return the processor's own name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
