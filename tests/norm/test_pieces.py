"""The cutting of images into pieces: every element is in one piece of its own channel, in whatever memory."""

import numpy as np
import pytest

from sevenloops.norm.pieces import Pieces, Scratch, quiet, strips
from tests.helpers.cases import MEMORIES, arranged

SHAPES = [(2, 3), (1, 5, 1), (4, 3, 6), (3, 2, 8, 9), (2, 5, 3, 2, 4), (7, 40, 9, 9), (2, 3, 300, 260), (6, 1500, 2)]


def cuts():
    for shape in SHAPES:
        for memory in ("contiguous", "channels-last"):
            if memory == "contiguous" or len(shape) > 2:
                for merge in (False, True):
                    yield shape, memory, merge


@pytest.mark.parametrize(("shape", "memory", "merge"), list(cuts()))
def test_sums_of_channels(shape, memory, merge):
    rng = np.random.default_rng(0)
    x = arranged(rng.standard_normal(shape), memory)
    other = rng.standard_normal(shape)
    pieces = Pieces.of(x, merge)
    view, second = pieces.view(x), pieces.view(other)
    assert np.may_share_memory(view, x), "dense memory is not copied"
    total, dot, visited = pieces.totals(), pieces.totals(), np.zeros(pieces.shape)
    for strip in pieces.strips(8):
        visited[strip] += 1
        block = view[strip]
        pieces.add_sum(total, strip, block)
        pieces.add_dot(dot, strip, block, second[strip], np.empty(block.shape))
    assert np.unique(visited).tolist() == [1]
    axes = tuple(range(2, len(shape)))
    for found, terms in ((total, x), (dot, x * other)):
        by_image = pieces.by_channel(found).sum(2)
        expected = terms.sum(axes)
        if len(by_image) < len(expected):
            expected = expected.sum(0, keepdims=True)
        np.testing.assert_allclose(by_image, expected, atol=1e-9)
    assert pieces.size * total.size == x.size


@pytest.mark.parametrize(("shape", "memory", "merge"), list(cuts()))
def test_values_of_channels_reach_their_channel(shape, memory, merge):
    x = arranged(np.zeros(shape), memory)
    pieces = Pieces.of(x, merge)
    rng = np.random.default_rng(0)
    for count in {1, pieces.shape[0]}:
        values = rng.standard_normal((count, shape[1]))
        spread = pieces.spread(values, np.float64)
        for strip in pieces.strips(8):
            pieces.view(x)[strip] = pieces.at(spread, strip)
        each = values[(...,) + (None,) * (len(shape) - 2)]
        np.testing.assert_array_equal(x, np.broadcast_to(each, shape))


def test_every_way_to_cut_is_met():
    kinds = {(p.columns, p.before > 1, p.after > 1) for p in (
        Pieces.of(arranged(np.zeros(shape), memory), merge) for shape, memory, merge in cuts()
    )}  # fmt: skip
    assert kinds == {
        (False, False, False),
        (False, False, True),
        (True, False, False),
        (True, True, False),
        (True, False, True),
    }


@pytest.mark.parametrize("memory", MEMORIES)
def test_other_memory_is_seen_too(memory):
    x = arranged(np.arange(120.0).reshape(2, 3, 4, 5), memory)
    pieces = Pieces.of(x, merge=False)
    total = pieces.totals()
    for strip in pieces.strips(8):
        pieces.add_sum(total, strip, pieces.view(x)[strip])
    np.testing.assert_allclose(pieces.by_channel(total).sum(2), x.sum((2, 3)))


@pytest.mark.parametrize(("length", "row"), [(1, 1), (1000, 1000), (7, 10**6), (10**6, 3), (44, 1000), (0, 5)])
def test_strips_are_of_one_size_and_fit(length, row):
    found = list(strips(length, row, 4))
    assert [i for part in found for i in range(part.start, min(part.stop, length))] == list(range(length))
    lengths = [min(part.stop, length) - part.start for part in found]
    assert all(n * row * 4 * 3 <= 512 * 1024 or n == 1 for n in lengths)
    assert len(set(lengths[:-1])) <= 1
    assert not lengths or lengths[-1] > 0.5 * lengths[0] or lengths[0] < 3


def test_scratch_is_used_again():
    scratch = Scratch(np.dtype(np.float32))
    first = scratch.like(np.zeros((3, 4)))
    assert (first.shape, first.dtype) == ((3, 4), np.float32)
    assert np.shares_memory(first, scratch.like(np.zeros((2, 5))))
    assert not np.shares_memory(first, scratch.like(np.zeros((5, 5))))


def test_quiet_leaves_numpy_as_it_was():
    size, errors = np.getbufsize(), np.geterr()
    with quiet():
        assert np.geterr()["invalid"] == "ignore"
        assert np.getbufsize() != size
    assert (np.getbufsize(), np.geterr()) == (size, errors)
