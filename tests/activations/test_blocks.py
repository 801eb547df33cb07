"""Kernels in pieces: each element once, in any memory, with broadcasting, without warnings."""

import tracemalloc

import numpy as np
import pytest

from sevenloops import activations
from sevenloops.activations.blocks import BLOCK, in_blocks
from tests.helpers.cases import MEMORIES, arranged, snapshot

SHAPES = [(0,), (5,), (3, 0, 2), (BLOCK,), (BLOCK + 1,), (7, 3, 11, 1000), (BLOCK // 4, 9)]


def weighted_sum(sizes):
    def kernel(x, y, out, *, factor):
        sizes.append(out.size)
        np.multiply(y, factor, out=out)
        out += x

    return kernel


@pytest.mark.parametrize(
    ("shape", "memory"),
    [
        (shape, memory)
        for shape in SHAPES
        for memory in MEMORIES
        if memory not in ("unaligned", "other byte order") and (memory != "channels-last" or len(shape) > 2)
    ],
)
def test_each_element_is_computed_once(shape, memory):
    rng = np.random.default_rng(0)
    x, y = arranged(rng.standard_normal(shape), memory), rng.standard_normal(shape)
    for order in ("C", "F"):
        sizes = []
        out = np.full(shape, np.nan, order=order)
        before = snapshot(x, y)
        in_blocks(weighted_sum(sizes))(x, y, out, factor=3)
        np.testing.assert_array_equal(out, x + 3 * y)
        assert sum(sizes) == out.size
        assert max(sizes) <= BLOCK
        assert snapshot(x, y) == before


def test_inputs_are_broadcast():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 4, 3000)), rng.standard_normal((4, 1))
    out = np.empty_like(x)
    in_blocks(weighted_sum([]))(x, y, out, factor=2)
    np.testing.assert_array_equal(out, x + 2 * y)


def test_two_results():
    def split(x, low, high):
        np.minimum(x, 0, out=low)
        np.maximum(x, 0, out=high)

    x = np.random.default_rng(0).standard_normal((3, BLOCK))
    both = np.empty((2, *x.shape))
    in_blocks(split, results=2)(x, both[0], both[1])
    np.testing.assert_array_equal(both, [np.minimum(x, 0), np.maximum(x, 0)])


def test_nothing_is_warned_of_inside_only():
    def overflow(x, out):
        np.exp(x, out=out)

    for size in (1, 2 * BLOCK):
        out = np.empty(size)
        in_blocks(overflow)(np.full(size, 1e4), out)
        assert np.all(np.isinf(out))
    with pytest.raises(RuntimeWarning):
        np.exp(np.array([1e4]))


def test_temporaries_have_the_size_of_a_piece():
    x = np.random.default_rng(0).standard_normal(40 * BLOCK).astype(np.float32)
    out = np.empty_like(x)
    activations.kernel("mish", "gradient")(x, x, out)
    tracemalloc.start()
    activations.kernel("mish", "gradient")(x, x, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * BLOCK * 4 < x.nbytes / 4
