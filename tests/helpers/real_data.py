"""Where the real data sets are, for the tests that read them."""

import os
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """Return the folder of a data set; skip the test that asks where there is none."""
    chosen = os.environ.get("SEVENLOOPS_DATA")
    roots = [Path(chosen)] if chosen else []
    roots.append(Path(__file__).resolve().parents[3] / "shared" / "data")
    for root in roots:
        if (root / name).is_dir():
            return root / name
    pytest.skip(f"no {name} in SEVENLOOPS_DATA or in ../shared/data beside the repository")
