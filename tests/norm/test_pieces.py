"""The cutting of images into pieces: every element is in one piece of its own channel, in whatever memory."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.norm.pieces import Pieces, Scratch, for_each, quiet, strips
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
    visited, sums, dots, cut = np.zeros(pieces.shape), [], [], pieces.strips(8)
    for strip in cut:
        visited[strip] += 1
        block = view[strip]
        sums.append(pieces.sum(block))
        dots.append(pieces.dot(block, second[strip], np.empty(block.shape)))
    total, dot = pieces.sums(cut, sums), pieces.sums(cut, dots)
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
    cut = pieces.strips(8)
    total = pieces.sums(cut, [pieces.sum(pieces.view(x)[strip]) for strip in cut])
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


@pytest.mark.parametrize("elements", [10, 10**7])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 5, 23])
def test_each_strip_is_met_once(elements, threads, count):
    before = sl.get_num_threads()
    sl.set_num_threads(threads)
    met = [0] * count
    try:

        def work(number, strip, scratch):
            assert strip == f"strip {number}"
            scratch.like(np.zeros(3))[...] = number
            met[number] += 1

        for_each([f"strip {i}" for i in range(count)], elements, np.dtype(np.float32), work)
    finally:
        sl.set_num_threads(before)
    assert met == [1] * count


def test_scratch_has_slots():
    scratch = Scratch(np.dtype(np.float32))
    assert not np.shares_memory(scratch.like(np.zeros(3)), scratch.like(np.zeros(3), slot=1))


def test_quiet_leaves_numpy_as_it_was():
    size, errors = np.getbufsize(), np.geterr()
    with quiet():
        assert np.geterr()["invalid"] == "ignore"
        assert np.getbufsize() != size
    assert (np.getbufsize(), np.geterr()) == (size, errors)
