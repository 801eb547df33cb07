"""The choice of register tiles: pixels, vectors of output channels, and how wide the vectors are."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd

from sevenloops.jit.target import Target

__all__ = ["Tiling", "choose", "heights"]

_LATENCY = 4  # cycles of a multiply-add, in which others must be under way
_TALLEST = 16  # pixels of a tile: beyond, their addresses do not fit the registers for addresses

# The first-level cache has so many places for lines whose addresses agree in the last bits. Where pixels are a
# multiple of that apart, as with 1,024 channels, a taller tile's inputs drive each other out.
_WAYS = 8
_WAY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles for one layer.

    Attributes
    ----------
    lanes : int
        Floats of a vector.
    rows : int
        Pixels of a tile.
    vectors, last_vectors : int
        Vectors of output channels in a block, and in the last block.
    blocks : int
        Blocks of output channels.
    last : int
        Floats in the last vector of the last block.
    """

    lanes: int
    rows: int
    vectors: int
    last_vectors: int
    blocks: int
    last: int

    @property
    def width(self) -> int:
        """Output channels of a block."""
        return self.vectors * self.lanes

    @property
    def padded(self) -> int:
        """Output channels of all blocks, with those that only fill vectors."""
        return ((self.blocks - 1) * self.vectors + self.last_vectors) * self.lanes


@lru_cache(maxsize=4096)
def choose(channels: int, pixels: int, itemsize: int, target: Target, stride: int = 1) -> Tiling:
    """Return the tiles that take the fewest cycles.

    Parameters
    ----------
    channels, pixels : int
        Output channels, and pixels in a row.
    itemsize : int
    target : Target
    stride : int
        Floats from one pixel's inputs to the next one's.
    """
    found: list[tuple[float, Tiling]] = []
    widest = target.vector_bytes // itemsize
    tallest = min(_TALLEST, pixels, _WAYS * (_WAY_BYTES // gcd(abs(stride) * itemsize or 1, _WAY_BYTES)))
    for lanes in (widest, widest // 2):
        if lanes < 2:
            continue
        total = ceil(channels / lanes)
        for vectors in range(1, min(total, 6) + 1):
            blocks = ceil(total / vectors)
            last_vectors = total - (blocks - 1) * vectors
            most = (target.registers - vectors - 1) // vectors
            for rows in range(1, min(most, tallest) + 1):
                cycles = _cycles(rows, vectors, lanes / widest) * (blocks - 1) + _cycles(
                    rows, last_vectors, lanes / widest
                )
                tall, short = divmod(pixels, rows)
                per_layer = cycles * tall
                if short:
                    per_layer += _cycles(short, vectors, lanes / widest) * (blocks - 1) + _cycles(
                        short, last_vectors, lanes / widest
                    )
                last = channels - (total - 1) * lanes
                found.append((per_layer, Tiling(lanes, rows, vectors, last_vectors, blocks, last)))
    return min(found, key=lambda pair: pair[0])[1]


def _cycles(rows: int, vectors: int, width: float) -> float:
    """Return what one term of a tile costs; `width` is the part of the widest vector that is used.

    The multiplications, or the loads, or waiting for the sums; and, hidden in part only, the weights and inputs that
    come from the second-level cache, 32 bytes a cycle.
    """
    multiplications = rows * vectors * max(width, 0.5)
    loads = (rows + vectors * width * 2) / 2
    bytes_ = 64 * vectors * width + 4 * rows
    return max(multiplications, loads, _LATENCY) + 0.3 * bytes_ / 32


def heights(pixels: int, rows: int) -> tuple[tuple[int, int], ...]:
    """Cut a run of pixels into tiles of at most `rows`, of one height or of two that follow each other.

    Returns
    -------
    tuple of (height, count)
    """
    tiles = ceil(pixels / rows)
    tall = ceil(pixels / tiles)
    short = tiles * tall - pixels
    return ((tall, tiles - short), (tall - 1, short)) if short else ((tall, tiles),)
