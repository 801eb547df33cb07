"""How Winograd's algorithm cuts a convolution: tiles, boxes of tiles that are worked on at once, and their memory.

A tile is m × m outputs and the (m + r - 1) × (m + r - 1) inputs that they need. A box is a range of images and of
tiles along each axis; all that is done to its tiles is done in two buffers of a worker, from one into the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.pieces import split
from sevenloops.geometry import ConvGeometry

__all__ = [
    "APART",
    "Box",
    "Scratch",
    "Shapes",
    "Tiling",
    "analysis_shapes",
    "folding_shapes",
    "scratch_elements",
    "synthesis_shapes",
]

Shapes: TypeAlias = list[tuple[int, ...]]

#: Elements between the channels of a piece with channels first: a power of two from one channel to the next would
#: give all of them the same few places in a cache.
APART = 16


class Box(NamedTuple):
    """Slices of the images and of the tiles along each axis."""

    images: slice
    tiles: tuple[slice, ...]
    parity: tuple[int, ...]  # of its place among the boxes along each axis

    @property
    def counts(self) -> tuple[int, ...]:
        """Images, and tiles along each axis."""
        return tuple(part.stop - part.start for part in (self.images, *self.tiles))


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles of m outputs per axis, in boxes.

    Attributes
    ----------
    geometry : ConvGeometry
    m : tuple of int
        Outputs of a tile along each axis.
    parts : tuple of int
        Into how many ranges the images and the tiles of each axis are cut.
    """

    geometry: ConvGeometry
    m: tuple[int, ...]
    parts: tuple[int, ...]

    @classmethod
    def of(cls, geometry: ConvGeometry, m: tuple[int, ...], target: int) -> "Tiling":
        """Return boxes of about `target` tiles, whole along the last axes."""
        counts = [geometry.batch, *(-(-out // step) for out, step in zip(geometry.output_size, m))]
        parts = [1] * len(counts)
        room = max(target, 1)
        for axis in (*range(geometry.axes, 0, -1), 0):
            pieces = -(-counts[axis] // min(counts[axis], room))
            if axis:  # boxes next to each other overlap, but a box does not reach beyond its neighbours
                overlap = geometry.kernel_size[axis - 1] - 1
                while pieces > 1 and counts[axis] // pieces * m[axis - 1] < overlap:
                    pieces -= 1
            parts[axis] = pieces
            room = max(room // -(-counts[axis] // pieces), 1)
        return cls(geometry, m, tuple(parts))

    @property
    def t(self) -> tuple[int, ...]:
        """Inputs of a tile along each axis, which is also the number of products."""
        return tuple(m + r - 1 for m, r in zip(self.m, self.geometry.kernel_size))

    @property
    def products(self) -> int:
        """Products of a tile: one for each element of the transformed tile."""
        return prod(self.t)

    @property
    def counts(self) -> tuple[int, ...]:
        """Images, and tiles along each axis."""
        return (self.geometry.batch, *(-(-out // m) for out, m in zip(self.geometry.output_size, self.m)))

    @property
    def largest(self) -> tuple[int, ...]:
        """Images, and tiles along each axis, of the largest box."""
        return tuple(-(-count // parts) for count, parts in zip(self.counts, self.parts))

    def boxes(self) -> Iterator[Box]:
        """Yield the boxes, neighbours along the last axis first."""
        ranges = [list(enumerate(split(count, parts))) for count, parts in zip(self.counts, self.parts)]
        for (_, images), *tiles in product(*ranges):
            yield Box(images, tuple(part for _, part in tiles), tuple(place % 2 for place, _ in tiles))


# --- the arrays of a box, in the order in which they are made ----------------------------------------------------


def analysis_shapes(
    images: int, positions: tuple[int, ...], tiles: tuple[int, ...], k: tuple[int, ...], channels: int
) -> Shapes:
    """Return the shapes from (images, *positions, channels) to (*k, tiles · channels)."""
    shapes: Shapes = [(images, *positions, channels)]
    for axis in reversed(range(len(tiles))):
        shapes.append((*k[axis:], images, *positions[:axis], prod(tiles[axis:]) * channels))
    return shapes


def synthesis_shapes(
    images: int, tiles: tuple[int, ...], m: tuple[int, ...], t: tuple[int, ...], channels: int, apart: int = 0
) -> Shapes:
    """Return the shapes from (*t, tiles · channels) to (images · channels, positions + apart)."""
    run = images * prod(tiles) * channels
    return [(*m[:axis], *t[axis:], run) for axis in range(len(m))] + [
        (images * channels, prod(tiles) * prod(m) + apart)
    ]


def folding_shapes(
    images: int, tiles: tuple[int, ...], m: tuple[int, ...], t: tuple[int, ...], channels: int
) -> Shapes:
    """Return the shapes from (*t, tiles · channels) to the sums of each axis, with what overlaps behind them."""
    shapes: Shapes = [(*t, images * prod(tiles) * channels)]
    before = images
    for axis, (count, step, length) in enumerate(zip(tiles, m, t)):
        rest = prod(t[axis + 1 :]) * prod(tiles[axis + 1 :]) * channels
        overlap = length - step
        shapes.append((before * (count * step + overlap + count * overlap) * rest,))
        before *= count * step + overlap
    return shapes


def scratch_elements(*chains: Shapes) -> tuple[int, int]:
    """Return the elements of the two buffers between which all these chains of arrays fit."""
    even = max(prod(shape) for chain in chains for shape in chain[::2])
    odd = max((prod(shape) for chain in chains for shape in chain[1::2]), default=0)
    return even, odd


class Scratch:
    """Two buffers for chains of arrays in which each is made from the one before."""

    def __init__(self, elements: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self._buffers = [runtime.empty((count,), dtype) for count in elements]

    def arrays(self, chain: Shapes) -> list[Array]:
        """Return the arrays of a chain, in one buffer and the other by turns."""
        return [self._buffers[i % 2][: prod(shape)].reshape(shape) for i, shape in enumerate(chain)]
