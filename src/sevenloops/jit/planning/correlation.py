"""One weight gradient, prepared: its kernel, and its arguments but for the addresses."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from sevenloops.arrays import Array
from sevenloops.jit import correlate, outer, target
from sevenloops.jit.arguments import Layout
from sevenloops.jit.correlate import CorrelateForm
from sevenloops.jit.outer import OuterForm
from sevenloops.jit.planning.tiling import Tiling, choose, heights
from sevenloops.jit.planning.view import Source, block_arguments, blocks, first_seen, runs, view

__all__ = ["Correlation", "prepare"]

# Sums of this size may be kept once per thread.
_PRIVATE_BYTES = 1 << 20

# Pixels of a block: sums are read and written once per block, which should be little beside what is added to them.
_PIXELS = 128

# Terms from which they are copied side by side where they lie apart, and how many are copied at a time.
_COPIED = 48
_CHUNK = 256

_SHORT = 8  # terms of a segment that are too few for a tile


@dataclass(frozen=True, slots=True)
class Correlation:
    """A weight gradient that only lacks its arrays.

    Attributes
    ----------
    form : CorrelateForm or OuterForm
    layout : Layout
        Of its arguments.
    values : dict
    segments : ndarray of int64
    scratch : int
        Floats of the strips of all threads.
    slices, items : int
    x_offset : int
    order : str
    tiling : Tiling
    """

    form: CorrelateForm | OuterForm
    layout: Layout
    values: dict[str, int]
    segments: Array
    scratch: int
    slices: int
    items: int
    x_offset: int
    order: str
    tiling: Tiling


@lru_cache(maxsize=1024)
def prepare(s: Source) -> Correlation:
    """Choose the view of the input, the tiles, the blocks and who adds up what."""
    v = view(s)
    b = blocks(s, v, 32, 2 * s.threads if s.threads > 1 else 1, _PIXELS)
    r = runs(s, v, b)
    length, segments = r.segments[0][1], len(r.segments)
    bundle = 1
    tiling = choose(s.out_group, length, s.itemsize, target.current())
    if length < _SHORT and segments > 1:
        room = (target.current().registers - 1) // tiling.vectors - 1
        bundle = max(n for n in range(1, segments + 1) if segments % n == 0 and (n * length <= room or n == 1))
    cut = heights(length, tiling.rows) if bundle == 1 else ((length, 1),)
    (tall, tall_count), (short, short_count) = (*cut, (0, 0))[:2]

    floats = s.groups * s.terms * tiling.padded
    parts = slices = 1
    if s.threads > 1:
        if floats * s.itemsize > _PRIVATE_BYTES and tiling.blocks >= s.threads:
            parts = min(tiling.blocks, 4 * s.threads)
        else:
            slices = min(s.threads, b.total)
    blocks_in_part = ceil(tiling.blocks / parts)
    parts = ceil(tiling.blocks / blocks_in_part)
    blocks_in_slice = ceil(b.total / slices)
    slices = ceil(b.total / blocks_in_slice)
    own = {
        "bundles": segments // bundle,
        "step": r.step,
        "groups": s.groups,
        "x_group": r.group,
        "sum_group": s.terms * tiling.padded,
        "grad_group": s.out_group,
    }
    scratch, layout = r.strip_floats, correlate.ARGUMENTS
    form: CorrelateForm | OuterForm = CorrelateForm(
        s.itemsize,
        tiling.lanes,
        bundle,
        tall,
        short,
        tiling.vectors,
        tiling.last_vectors,
        unit=r.step == 1,
        strip=v.strip,
    )
    if v.strip is None and segments == s.groups == r.step == 1 and length >= _COPIED:
        form = OuterForm(s.itemsize, tiling.lanes, tall, short, tiling.vectors, tiling.last_vectors)
        layout = outer.ARGUMENTS
        at_once = max(1, min(tall_count, _CHUNK // tall))
        # An odd number of cache lines, so that pixels do not share a set of the cache.
        line = 64 // s.itemsize
        apart = (ceil((at_once * tall + short * short_count) / line) | 1) * line
        pixels = b.rows * b.columns
        scratch = pixels * (apart + tiling.width)
        own = {
            "tall_at_once": at_once,
            "copy_column": apart,
            "scratch_floats": scratch,
            "grad_copy": pixels * apart,
        }
    values = {
        **own,
        "channel_parts": parts,
        "blocks_in_slice": blocks_in_slice,
        "pixel_blocks": b.total,
        "grad_image": v.images.out,
        "grad_row": v.rows.out,
        "grad_column": v.columns.out,
        "sum_slice": floats,
        "channel_blocks": tiling.blocks,
        "blocks_in_part": blocks_in_part,
        "sum_block": s.terms * tiling.width,
        "last": tiling.last,
        "tall": tall_count,
        "short": short_count,
        **block_arguments(s, v, b, r),
    }
    return Correlation(
        form=form,
        layout=layout,
        values=values,
        segments=np.array(r.segments, np.int64).reshape(-1),
        scratch=scratch * s.threads,
        slices=slices,
        items=parts * slices,
        x_offset=first_seen(s, v),
        order=r.order,
        tiling=tiling,
    )
