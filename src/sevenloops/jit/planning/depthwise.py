"""Depthwise convolution, prepared: one vector of channels at a time instead of tiles of pixels by channels."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

import numpy as np

from sevenloops.arrays import Array
from sevenloops.jit import target
from sevenloops.jit.depthwise import HEIGHTS, DepthwiseForm, DepthwiseGradientForm
from sevenloops.jit.ending import NOTHING, Ending
from sevenloops.jit.planning.packing import WeightPlaces
from sevenloops.jit.planning.tiling import Tiling, heights
from sevenloops.jit.planning.view import (
    Blocks,
    Source,
    View,
    block_arguments,
    blocks,
    first_seen,
    runs,
    view,
)

__all__ = ["Depthwise", "as_layer", "is_depthwise", "prepare", "prepare_gradient"]

_ROWS = 8  # pixels of a tile: enough sums to hide the latency of a multiply-add


def is_depthwise(s: Source) -> bool:
    """Return whether each channel is convolved by itself, once, and they are adjacent wherever they are read."""
    if not s.groups == s.channels == s.out_channels > 1:
        return False
    return s.x_channel == 1 or view(s).strip not in (None, "plane")


def as_layer(s: Source, places: WeightPlaces) -> tuple[Source, WeightPlaces]:
    """Return the source and its weights as their packing sees them: one input channel, an output per group."""
    return replace(s, groups=1, channels=1), replace(places, out_channel=places.group)


@dataclass(frozen=True, slots=True)
class Depthwise:
    """A pass that only lacks its arrays.

    Attributes
    ----------
    form : DepthwiseForm or DepthwiseGradientForm
    values : dict
    segments : ndarray of int64
    scratch, slices, items, x_offset : int
        As in `sevenloops.jit.planning.correlation.Correlation`.
    tiling : Tiling
        How the weights are packed: [vector of channels][tap][lane].
    """

    form: DepthwiseForm | DepthwiseGradientForm
    values: dict[str, int]
    segments: Array
    scratch: int
    slices: int
    items: int
    x_offset: int
    tiling: Tiling


def _tiling(s: Source) -> Tiling:
    widest = target.current().vector_bytes // s.itemsize
    lanes = widest // 2 if s.channels <= widest // 2 and widest > 2 else widest
    vectors = ceil(s.channels / lanes)
    return Tiling(lanes, _ROWS, 1, 1, vectors, s.channels - (vectors - 1) * lanes)


@lru_cache(maxsize=1024)
def prepare(s: Source, ending: Ending = NOTHING) -> Depthwise:
    """Prepare a forward pass, or a phase of an input gradient."""
    v, tiling = view(s), _tiling(s)
    b = blocks(s, v, _ROWS, 4 * s.threads if s.threads > 1 else 1)
    r = runs(s, v, b)
    parts, in_part = _parts(tiling.blocks, b.total, s.threads)
    shape, counts = _tiles(s, v, b)
    values = {
        "parts": parts,
        "vectors": tiling.blocks,
        "vectors_in_part": in_part,
        "taps": s.terms,
        "tap_rows": len(s.rows.offsets),
        **block_arguments(s, v, b, r),
        **counts,
        "out_image": v.images.out,
        "out_row": v.rows.out,
        "out_column": v.columns.out,
    }
    return Depthwise(
        form=DepthwiseForm(s.itemsize, tiling.lanes, *shape, v.strip, ending),
        values=values,
        segments=np.array(r.segments, np.int64).reshape(-1),
        scratch=r.strip_floats * s.threads,
        slices=1,
        items=b.total * parts,
        x_offset=first_seen(s, v),
        tiling=tiling,
    )


@lru_cache(maxsize=1024)
def prepare_gradient(s: Source) -> Depthwise:
    """Prepare a weight gradient."""
    v, tiling = view(s), _tiling(s)
    b = blocks(s, v, _ROWS, 2 * s.threads if s.threads > 1 else 1)
    r = runs(s, v, b)
    slices = min(s.threads, b.total)
    blocks_in_slice = ceil(b.total / slices)
    slices = ceil(b.total / blocks_in_slice)
    parts, in_part = _parts(tiling.blocks, slices, s.threads)
    shape, counts = _tiles(s, v, b)
    values = {
        "parts": parts,
        "vectors": tiling.blocks,
        "vectors_in_part": in_part,
        "blocks_in_slice": blocks_in_slice,
        "blocks": b.total,
        "tap_rows": len(s.rows.offsets),
        "taps": s.terms,
        **block_arguments(s, v, b, r),
        **counts,
        "grad_image": v.images.out,
        "grad_row": v.rows.out,
        "grad_column": v.columns.out,
        "sum_slice": s.terms * tiling.padded,
    }
    return Depthwise(
        form=DepthwiseGradientForm(s.itemsize, tiling.lanes, *shape, v.strip),
        values=values,
        segments=np.array(r.segments, np.int64).reshape(-1),
        scratch=r.strip_floats * s.threads,
        slices=slices,
        items=slices * parts,
        x_offset=first_seen(s, v),
        tiling=tiling,
    )


def _tiles(s: Source, v: View, b: Blocks) -> tuple[tuple[tuple[int, ...], int, int, int], dict[str, int]]:
    """Return the heights of tiles, taps in a row, advance and dilation; and how many tiles there are in a block."""
    inner = heights(b.columns, _ROWS) if b.column_blocks > 1 else ()
    last = heights(v.columns.size - (b.column_blocks - 1) * b.columns, _ROWS)
    distinct = sorted({height for height, _ in (*inner, *last)}, reverse=True)
    counts = {
        f"{where}_{i}": dict(cut).get(distinct[i], 0) if i < len(distinct) else 0
        for where, cut in (("inner", inner), ("last", last))
        for i in range(HEIGHTS)
    }
    offsets = s.columns.offsets
    dilation = offsets[1] - offsets[0] if len(offsets) > 1 else 1
    beside = v.strip is not None or v.columns.x == s.columns.stride * s.columns.x_stride
    advance = (s.columns.advance if v.strip else s.columns.stride) if beside else 0
    return (tuple(distinct), len(offsets), advance, dilation), counts


def _parts(vectors: int, items: int, threads: int) -> tuple[int, int]:
    """Share the vectors of channels out where there are not enough items: (parts, vectors in each)."""
    parts = min(vectors, ceil(2 * threads / items)) if threads > 1 and items < 2 * threads else 1
    in_part = ceil(vectors / parts)
    return ceil(vectors / in_part), in_part
