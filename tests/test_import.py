"""Importing the package, and each module of it, brings NumPy and nothing else from outside the standard library."""

import subprocess
import sys

import pytest

import sevenloops

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


def run_fresh(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_who_only_convolves_does_not_wait_for_the_rest():
    later = "'data', 'nn', 'optim', 'schedules', 'serialization', 'testing', 'train'"
    code = f"import sys, sevenloops; print(*[n for n in ({later}) if 'sevenloops.' + n in sys.modules])"
    assert run_fresh(code).split() == []


def test_every_public_name_is_there_when_it_is_asked_for():
    code = """
import sevenloops as sl
names = [name for name in sl.__all__ if name not in dir(sl) or getattr(sl, name) is None]
assert set(dir(sl)) >= set(sl.__all__)
from sevenloops import *
print(names, sl.nn.__name__, save is sl.save, sl.save.__module__, train.__name__)
"""
    assert run_fresh(code) == "[] sevenloops.nn True sevenloops.serialization sevenloops.train\n"


def test_a_name_that_is_nowhere():
    with pytest.raises(AttributeError, match="module 'sevenloops' has no attribute 'nothing'"):
        sevenloops.nothing  # noqa: B018
