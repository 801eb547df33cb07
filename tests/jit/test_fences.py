"""Kernels of convolutions and products touch their arrays and nothing else: on fenced memory, in other processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.jit.fences import Fence, has_pages

pytest.importorskip("llvmlite")

COUNT = 400  # cases of each process


def fenced(*arguments):
    """Run a module of this folder; return its exit status, what went wrong, and the last case that was begun."""
    command = [sys.executable, "-W", "error", "-m", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, cwd=Path(__file__).parents[2], env=os.environ
    )
    return done.returncode, done.stdout, done.stderr.splitlines()[-1:] if done.returncode else []


@pytest.mark.parametrize("part", range(4), ids=lambda part: f"part{part}")
def test_any_convolution(part):
    assert fenced("tests.jit.fenced_convolutions", part * COUNT, COUNT) == (0, "", [])


# --- the fences themselves ----------------------------------------------------------------------------------------

TOUCH = """
import sys
import numpy as np
from tests.jit.fences import Fence
array = Fence(1000).empty((7,), np.float32, at_end=sys.argv[1] == "behind")
inside = array.ctypes.data + (-4 if sys.argv[1] == "before" else array.nbytes)
import ctypes
place = ctypes.c_float.from_address(inside)
if sys.argv[2] == "read":
    place.value
else:
    place.value = 1
"""


@pytest.mark.skipif(not has_pages(), reason="pages cannot be locked here")
@pytest.mark.parametrize("how", ["read", "write"])
@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_step_outside_ends_the_process(where, how):
    command = [sys.executable, "-c", TOUCH, where, how]
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=Path(__file__).parents[2])
    assert done.returncode < 0


def test_arrays_are_where_they_should_be():
    fence = Fence(5000)
    for at_end in (False, True):
        for strides in ((3, 1), (-3, 1), (3, -1), (1, 4), (0, 1), (2, 3)):
            array = fence.place((4, 3), np.float64, strides, at_end)
            assert np.isnan(array).all()
            array[...] = 1
            filled = np.flatnonzero(~np.isnan(fence.bytes.view(np.float64)))
            assert filled[-1 if at_end else 0] == (fence.capacity // 8 - 1 if at_end else 0)
            assert len(filled) == len(np.unique(np.add.outer(np.arange(4) * strides[0], np.arange(3) * strides[1])))
