"""Boxes cover every tile once, and those that work at the same time do not reach into each other's inputs."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.conv.winograd.tiling import Scratch, Tiling, scratch_elements
from sevenloops.geometry import ConvGeometry


@st.composite
def tilings(draw):
    axes = draw(st.integers(1, 3))
    kernel = draw(st.tuples(*[st.integers(1, 5)] * axes))
    size = [k - 1 + draw(st.integers(1, 30 if axes < 3 else 12)) for k in kernel]
    geometry = ConvGeometry.forward((draw(st.integers(1, 4)), 3, *size), (2, 3, *kernel))
    m = tuple(1 if k == 1 else draw(st.sampled_from([2, 4])) for k in kernel)
    return Tiling.of(geometry, m, draw(st.integers(1, 200)))


@given(tilings())
def test_boxes_cover_every_tile_once(tiling):
    seen = np.zeros(tiling.counts, int)
    for box in tiling.boxes():
        place = (box.images, *box.tiles)
        seen[place] += 1
        assert seen[place].shape == box.counts
        assert all(n <= largest for n, largest in zip(box.counts, tiling.largest, strict=True))
    assert (seen == 1).all()
    assert all(
        n * m >= out > (n - 1) * m
        for n, m, out in zip(tiling.counts[1:], tiling.m, tiling.geometry.output_size, strict=True)
    )


@given(tilings())
def test_boxes_of_equal_parity_add_to_different_inputs(tiling):
    written = {}
    padded = [n * m + t - m for n, m, t in zip(tiling.counts[1:], tiling.m, tiling.t, strict=True)]
    for box in tiling.boxes():
        count = written.setdefault(box.parity, np.zeros((tiling.counts[0], *padded), int))
        reach = (
            slice(tiles.start * m, (tiles.stop - 1) * m + t)
            for tiles, m, t in zip(box.tiles, tiling.m, tiling.t, strict=True)
        )
        count[(box.images, *reach)] += 1
    assert all(count.max() <= 1 for count in written.values())


@pytest.mark.parametrize("target", [1, 10, 64, 1000])
def test_boxes_have_about_the_tiles_they_should(target):
    geometry = ConvGeometry.forward((8, 3, 58, 58), (2, 3, 3, 3))
    tiling = Tiling.of(geometry, (4, 4), target)
    assert prod(tiling.largest) <= target
    assert prod(tiling.largest) >= min(target / 4, prod(tiling.counts))


def test_arrays_of_a_chain_alternate_between_two_buffers():
    shapes = [(2, 3), (4,), (5, 2), (1, 1)]
    assert scratch_elements(shapes, [(1,), (9,)]) == (10, 9)
    arrays = Scratch((10, 9), np.dtype(np.float32)).arrays(shapes)
    assert [a.shape for a in arrays] == shapes
    assert [[np.shares_memory(a, b) for b in arrays] for a in arrays[:2]] == [
        [True, False, True, False],
        [False, True, False, True],
    ]
