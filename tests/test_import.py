"""Importing the package, and each module of it, brings NumPy and nothing else from outside the standard library."""

import subprocess
import sys

import pytest

# In a fresh process, after NumPy: every import of something foreign is noted together with who asks for it, even one
# that fails or is caught, since what is installed must not matter. (The standard library looks for Jython's `org`.)
WATCH = """
import sys
import numpy, numpy.random  # which looks for backports in NumPy 2.0

class Watcher:
    foreign = []

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.stdlib_module_names | {"sevenloops", "numpy"}:
            return
        frame = sys._getframe(1)
        while "importlib" in frame.f_globals["__name__"]:
            frame = frame.f_back
        importer = frame.f_globals["__name__"]
        if importer.partition(".")[0] not in sys.stdlib_module_names:
            self.foreign.append(f"{importer}->{name}")

sys.meta_path.insert(0, Watcher())
"""

IMPORT_PACKAGE = """
import sevenloops
"""

IMPORT_EVERY_MODULE = """
import importlib, pkgutil
import sevenloops
for module in pkgutil.walk_packages(sevenloops.__path__, "sevenloops."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""

REPORT = """
print(*Watcher.foreign)
"""


def foreign_imports(code: str) -> list[str]:
    """Return who imports what from outside the standard library, NumPy and the package in a fresh process."""
    command = [sys.executable, "-W", "error", "-c", WATCH + code + REPORT]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("code", [IMPORT_PACKAGE, IMPORT_EVERY_MODULE], ids=["package", "every-module"])
def test_import_brings_numpy_and_nothing_else(code):
    assert foreign_imports(code) == []


@pytest.mark.parametrize(
    "statement", ["import no_such.part", "__import__('importlib').import_module('no_such.part')"]
)
def test_the_watcher_notes_an_import_that_fails(statement):
    code = f"try:\n    {statement}\nexcept ImportError:\n    pass"
    assert foreign_imports(code) == ["__main__->no_such"]
