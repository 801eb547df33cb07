"""Weights between the user's order and the kernels': which kernel, with which tables."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sevenloops.arrays import Array
from sevenloops.jit.planning.tiling import Tiling
from sevenloops.jit.planning.view import Source
from sevenloops.jit.weights import PackForm, UnpackForm

__all__ = ["Packing", "WeightPlaces", "packing", "unpacking"]

_SERIAL_FLOATS = 16384  # packed by one thread: less than it takes to wake another


@dataclass(frozen=True, slots=True)
class WeightPlaces:
    """Where the weights of a source are, in floats.

    Attributes
    ----------
    out_channel, in_channel, group : int
        From one to the next; what is in and what is out is the source's view, which for an input gradient is not the
        layer's.
    taps : tuple of int
        Where each tap is, rows outermost, in the order of the source's offsets.
    """

    out_channel: int
    in_channel: int
    group: int
    taps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Packing:
    """A way of packing or unpacking that only lacks its arrays."""

    form: PackForm | UnpackForm
    values: dict[str, int]
    offsets: Array
    places: Array
    floats: int
    items: int
    threads: int


def packing(s: Source, order: str, tiling: Tiling, places: WeightPlaces) -> Packing:
    """Return how weights are packed."""
    return _make(s, order, tiling, places, unpacks=False)


def unpacking(s: Source, order: str, tiling: Tiling, places: WeightPlaces) -> Packing:
    """Return how sums are written to a weight gradient."""
    return _make(s, order, tiling, places, unpacks=True)


@lru_cache(maxsize=1024)
def _make(s: Source, order: str, tiling: Tiling, w: WeightPlaces, unpacks: bool) -> Packing:
    rows, columns = len(s.rows.offsets), len(s.columns.offsets)
    sizes = {"r": rows, "c": columns, "i": s.in_group}
    stride, strides = 1, {}
    for axis in reversed(order):
        strides[axis] = stride
        stride *= sizes[axis]
    i, r, c = np.ix_(np.arange(s.in_group), np.arange(rows), np.arange(columns))
    taps = np.array(w.taps, np.int64).reshape(1, rows, columns)
    offsets = (i * w.in_channel + taps).reshape(-1)
    places = (i * strides["i"] + r * strides["r"] + c * strides["c"]).reshape(-1)
    by_offset = np.argsort(offsets, kind="stable")
    offsets, places = (np.ascontiguousarray(table[by_offset], np.int64) for table in (offsets, places))
    if w.out_channel == 1 or s.out_group == 1:
        adjacent = "channels"
    elif np.array_equal(offsets - offsets[0], np.arange(s.terms)):
        adjacent = "terms"
    else:
        adjacent = "none"
    other = "target" if unpacks else "source"
    values = {
        "terms": s.terms,
        "groups": s.groups,
        f"{other}_group": w.group,
        f"{other}_channel": w.out_channel,
        "channel_blocks": tiling.blocks,
        "block": s.terms * tiling.width,
        "group": s.terms * tiling.padded,
        "channels": s.out_group,
    }
    kind = UnpackForm if unpacks else PackForm
    form = kind(s.itemsize, tiling.lanes, tiling.vectors, tiling.last_vectors, adjacent)
    floats = s.groups * s.terms * tiling.padded
    return Packing(
        form=form,
        values=values,
        offsets=offsets,
        places=places,
        floats=floats,
        items=s.groups * (tiling.padded // tiling.lanes),
        threads=s.threads if floats > _SERIAL_FLOATS else 1,
    )
