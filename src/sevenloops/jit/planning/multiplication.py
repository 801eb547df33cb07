"""One multiplication of an input by packed weights, prepared: its kernel, and its arguments but for the addresses.

A convolution is one of them, an input gradient one for each phase of the strides, a fully connected layer one too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from sevenloops.arrays import Array
from sevenloops.jit import target
from sevenloops.jit.ending import NOTHING, Ending
from sevenloops.jit.multiply import HEIGHTS, MultiplyForm
from sevenloops.jit.planning.tiling import Tiling, choose, heights
from sevenloops.jit.planning.view import Source, block_arguments, blocks, first_seen, runs, view

__all__ = ["Multiplication", "prepare"]

# Bytes of the weights of a block of output channels, which stay in the second-level cache while inputs pass by.
_PANEL_BYTES = 256 * 1024

# Bytes of the weights of all channels that may pass by for each tile.
_PASSING_BYTES = 96 * 1024


@dataclass(frozen=True, slots=True)
class Multiplication:
    """A multiplication that only lacks its arrays.

    Attributes
    ----------
    form : MultiplyForm
        Its kernel.
    values : dict
        The arguments but for the addresses.
    segments, terms : ndarray of int64
    scratch : int
        Floats of workspace, of all threads.
    items : int
    x_offset : int
        Floats from the input's first element to where the kernel counts from; it may lie outside.
    order : str
        See `sevenloops.jit.planning.view.Runs`.
    tiling : Tiling
    """

    form: MultiplyForm
    values: dict[str, int]
    segments: Array
    terms: Array
    scratch: int
    items: int
    x_offset: int
    order: str
    tiling: Tiling


@lru_cache(maxsize=1024)
def prepare(s: Source, ending: Ending = NOTHING) -> Multiplication:
    """Choose the view of the input, the tiles and the blocks."""
    v = view(s)
    apart = s.channels * s.columns.advance if v.strip else v.columns.x
    tiling = choose(s.out_group, v.columns.size, s.itemsize, target.current(), apart)
    b = blocks(s, v, tiling.rows, 4 * s.threads if s.threads > 1 else 1)
    r = runs(s, v, b)
    parts = min(tiling.blocks, ceil(2 * s.threads / b.total)) if s.threads > 1 and b.total < 2 * s.threads else 1
    blocks_in_part = ceil(tiling.blocks / parts)
    parts = ceil(tiling.blocks / blocks_in_part)

    inner = heights(b.columns, tiling.rows) if b.column_blocks > 1 else ()
    last = heights(v.columns.size - (b.column_blocks - 1) * b.columns, tiling.rows)
    distinct = sorted({height for height, _ in (*inner, *last)}, reverse=True)
    counts = {
        f"{where}_{i}": dict(cut).get(distinct[i], 0) if i < len(distinct) else 0
        for where, cut in (("inner", inner), ("last", last))
        for i in range(HEIGHTS)
    }
    most = max(64, _PANEL_BYTES // (tiling.width * s.itemsize))
    segments, terms = _blocks_of_terms(r.segments, r.step, s.terms, most)
    form = MultiplyForm(
        s.itemsize,
        tiling.lanes,
        tuple(distinct),
        tiling.vectors,
        tiling.last_vectors,
        unit=r.step == 1,
        strip=v.strip,
        ending=ending,
        pixels_first=tiling.blocks > 1 and s.terms * tiling.padded * s.itemsize <= _PASSING_BYTES,
    )
    values = {
        "channel_parts": parts,
        **counts,
        "step": r.step,
        "out_image": v.images.out,
        "out_row": v.rows.out,
        "out_column": v.columns.out,
        "groups": s.groups,
        "x_group": r.group,
        "w_group": tiling.padded * s.terms,
        "out_group": s.out_group,
        "channel_blocks": tiling.blocks,
        "blocks_in_part": blocks_in_part,
        "w_block": s.terms * tiling.width,
        "last": tiling.last,
        "term_blocks": len(terms),
        **block_arguments(s, v, b, r),
    }
    return Multiplication(
        form=form,
        values=values,
        segments=np.array(segments, np.int64).reshape(-1),
        terms=np.array(terms, np.int64).reshape(-1),
        scratch=r.strip_floats * s.threads,
        items=b.total * parts,
        x_offset=first_seen(s, v),
        order=r.order,
        tiling=tiling,
    )


def _blocks_of_terms(
    segments: Sequence[tuple[int, int]], step: int, terms: int, most: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
    """Cut the terms into blocks of about equal length: the segments, and (first segment, segments, first term)."""
    size = ceil(terms / ceil(terms / most))
    result: list[tuple[int, int]] = []
    cuts: list[tuple[int, int, int]] = []
    first = start = term = 0
    for offset, length in segments:
        while length:
            taken = min(length, start + size - term)
            result.append((offset, taken))
            offset, length, term = offset + taken * step, length - taken, term + taken
            if term in (start + size, terms):
                cuts.append((first, len(result) - first, start))
                first, start = len(result), term
    return result, cuts
