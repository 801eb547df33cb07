"""Kernels in pieces: each element once, in any memory, with broadcasting, without warnings."""

import tracemalloc

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import activations
from sevenloops.activations import blocks
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


@pytest.fixture
def small_pieces(monkeypatch):
    """Many pieces and shares of small arrays, on three threads."""
    monkeypatch.setattr(blocks, "BLOCK", 16)
    monkeypatch.setattr(blocks, "WORTH_A_THREAD", 64)
    before = sl.get_num_threads()
    sl.set_num_threads(3)
    yield
    sl.set_num_threads(before)


@pytest.mark.parametrize("memory", [m for m in MEMORIES if m not in ("unaligned", "other byte order")])
def test_threads_share_the_pieces(memory, small_pieces):
    rng = np.random.default_rng(0)
    for _ in range(30):
        shape = tuple(int(n) for n in rng.integers(1, 12, 4))
        x, y = arranged(rng.standard_normal(shape), memory), rng.standard_normal((shape[1], 1, 1))
        for order in ("C", "F"):
            sizes, out = [], np.full(shape, np.nan, order=order)
            in_blocks(weighted_sum(sizes))(x, y, out, factor=2)
            np.testing.assert_array_equal(out, x + 2 * y)
            if out.size > 16:
                assert sum(sizes) == out.size
                assert max(sizes) <= 16


def test_what_lies_between_the_elements_of_a_result_is_not_written(small_pieces):
    x = np.random.default_rng(0).standard_normal((9, 8, 7))
    for memory in ("sliced", "inside", "reversed"):
        out = arranged(np.full(x.shape, np.nan), memory)
        in_blocks(weighted_sum([]))(x, x, out, factor=1)
        np.testing.assert_array_equal(out, 2 * x)
        whole = out
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        assert np.count_nonzero(np.isnan(whole)) == whole.size - out.size


def test_the_number_of_threads_changes_no_bit():
    x = np.random.default_rng(0).standard_normal((5, 200_001)).astype(np.float32)
    before = sl.get_num_threads()
    try:
        for name in ("gelu", "mish", "hardswish", "leaky_relu"):
            results = []
            for threads in (1, 2, 3):
                sl.set_num_threads(threads)
                results.append(getattr(sl, name)(x))
            np.testing.assert_array_equal(results[0], results[1])
            np.testing.assert_array_equal(results[0], results[2])
    finally:
        sl.set_num_threads(before)


def test_an_error_in_a_thread_is_raised(small_pieces):
    def broken(x, out):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        in_blocks(broken)(np.ones(1000), np.ones(1000))


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
    x = np.random.default_rng(0).standard_normal(100 * BLOCK).astype(np.float32)
    out = np.empty_like(x)
    activations.kernel("mish", "gradient")(x, x, out)
    tracemalloc.start()
    activations.kernel("mish", "gradient")(x, x, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * BLOCK * 4 * sl.get_num_threads() < x.nbytes
