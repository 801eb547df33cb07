"""Contestants that need no library: scripts that are written for a test."""

import sys
import textwrap
from dataclasses import dataclass

import pytest

from sevenloops.bench import contestants
from sevenloops.bench.contestants import Known

RIGHT = """
    from sevenloops.bench.contestants.ours import Ours

    class Peer(Ours):
        def introduce(self):
            return {"version": "7.0"}
"""


@dataclass(frozen=True)
class Script(Known):
    """A contestant that is a file."""

    @property
    def command(self):
        return (self.module,)


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """Make a contestant of a class ``Peer`` in the given code; PyTorch's place is its."""

    def make(code=RIGHT, variants=("channels-first", "channels-last"), name="torch", remedy="install it"):
        path = tmp_path / f"{name}.py"
        lines = (
            "from sevenloops.bench.serving import Prepared, Refused, serve",
            textwrap.dedent(code),
            "serve(Peer)",
        )
        path.write_text("\n".join(lines), encoding="utf-8")
        known = Script("A Peer", str(path), variants, remedy)
        monkeypatch.setitem(contestants.CONTESTANTS, name, known)
        return known

    return make


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Machines that are busy with other tests never rest, so do not wait for that; and find a peak in no time."""
    for module in ("sevenloops.bench.measure", "sevenloops.bench.serving"):
        __import__(module)
        monkeypatch.setattr(sys.modules[module], "wait_until_idle", lambda: None)
    monkeypatch.setattr("sevenloops.bench.measure._PRODUCT", 256)
