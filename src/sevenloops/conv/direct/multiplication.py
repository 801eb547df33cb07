"""One multiplication of an input by packed weights, prepared: its kernels, its arguments but for the addresses.

A convolution is one of them, an input gradient one for each phase of the strides, a fully connected layer one too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np

from sevenloops.conv.direct.tiling import Tiling, choose, heights
from sevenloops.jit import target
from sevenloops.jit.multiply import HEIGHTS, MultiplyForm
from sevenloops.jit.strip import Kind

__all__ = ["Axis", "Multiplication", "Run", "Source"]

# Bytes of what should stay in the second-level cache: the weights of a block of output channels, and a strip.
_PANEL_BYTES = 256 * 1024
_STRIP_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Axis:
    """A spatial axis of a convolution, and the strides of input and output in floats.

    Output position i multiplies, for each tap t, input position i·stride + offset_t, which is zero if it is not inside.
    """

    outputs: int
    inputs: int
    stride: int
    offsets: tuple[int, ...]
    x_stride: int
    out_stride: int

    @property
    def low(self) -> int:
        return min(self.offsets)

    @property
    def reach(self) -> int:
        """Positions from the first tap to the last, both counted."""
        return max(self.offsets) - self.low + 1

    @property
    def is_inside(self) -> bool:
        """Whether no tap of any output is outside the input."""
        return self.low >= 0 and (self.outputs - 1) * self.stride + max(self.offsets) < self.inputs


@dataclass(frozen=True, slots=True)
class Source:
    """What is multiplied, all of it hashable: sizes and strides.

    Attributes
    ----------
    images, channels, out_channels, groups : int
        Channels and output channels of all groups.
    rows, columns : Axis
    x_image, x_channel, out_image : int
        Strides in floats; the output's channels are adjacent.
    """

    images: int
    channels: int
    out_channels: int
    groups: int
    rows: Axis
    columns: Axis
    x_image: int
    x_channel: int
    out_image: int
    itemsize: int
    threads: int
    after: str | None = None
    residual: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A multiplication ready to run."""

    kernel: int
    values: dict[str, int]
    segments: Any
    terms: Any
    scratch_floats: int
    items: int
    grain: int
    threads: int
    x_offset: int  # floats from the array's first element to position (0, 0) of the strip, or of the first tap
    order: tuple[str, ...]  # of the terms: "r" kernel row, "c" kernel column, "i" input channel
    tiling: Tiling


@lru_cache(maxsize=1024)
def prepare(source: Source) -> Run:
    """Choose the form of the input, the tiles and the blocks."""
    s = source
    rows, columns = s.rows, s.columns
    in_group, out_group = s.channels // s.groups, s.out_channels // s.groups
    inside = rows.is_inside and columns.is_inside
    last = s.x_channel == 1 or s.channels == 1
    strip: Kind | None = None
    few = in_group <= 4 and len(columns.offsets) > 1
    if not inside or (not last and not few):
        if last:
            strip = "pixel"
        elif few and columns.x_stride == 1 and s.groups == 1:
            strip = "plane"
        else:
            strip = "any"
    # Axes of the strip: every position of the input, or where the kernel has one tap only those that are used.
    row_step = rows.stride if len(rows.offsets) == 1 else 1
    column_step = columns.stride if len(columns.offsets) == 1 else 1
    row_advance, column_advance = rows.stride // row_step, columns.stride // column_step
    values: dict[str, int] = {}

    # (size, x stride, out stride) of images, rows, columns
    image_axis = (s.images, s.x_image, s.out_image)
    row_axis = (rows.outputs, rows.stride * rows.x_stride, rows.out_stride)
    column_axis = (columns.outputs, columns.stride * columns.x_stride, columns.out_stride)
    if strip is None:
        row_axis, column_axis = _merged(row_axis, column_axis)
        if row_axis[0] == 1:
            image_axis, column_axis = _merged(image_axis, column_axis)
        if column_axis[0] < 6 and image_axis[0] > column_axis[0]:
            column_axis, image_axis = image_axis, column_axis
        if column_axis[0] < 6 and row_axis[0] > column_axis[0]:
            column_axis, row_axis = row_axis, column_axis
    elif strip == "pixel" and column_step == 1 and columns.x_stride == s.channels:
        strip = "run"
    images, n_rows, n_columns = image_axis[0], row_axis[0], column_axis[0]
    tiling = choose(out_group, n_columns, s.itemsize, target.current())
    lanes, width = tiling.lanes, tiling.width

    # --- segments and the order of the terms ---
    taps_r = [o - (rows.low if strip else 0) for o in rows.offsets]
    taps_c = [o - (columns.low if strip else 0) for o in columns.offsets]
    n_terms = in_group * len(taps_r) * len(taps_c)
    adjacent_taps = all(b - a == 1 for a, b in zip(taps_c, taps_c[1:]))

    # --- blocks of rows and columns ---
    per_pixel = s.itemsize * (
        s.channels * (row_advance * column_advance if strip else rows.stride * columns.stride) + s.out_channels
    )
    pixels_at_once = max(tiling.rows, _STRIP_BYTES // per_pixel)
    columns_at_once, rows_at_once = n_columns, n_rows
    if n_columns > pixels_at_once:
        columns_at_once = max(1, pixels_at_once // tiling.rows) * tiling.rows
        rows_at_once = 1
    else:
        rows_at_once = max(1, min(n_rows, pixels_at_once // n_columns))
    wanted = 4 * s.threads if s.threads > 1 else 1
    while images * ceil(n_rows / rows_at_once) * ceil(n_columns / columns_at_once) < wanted and rows_at_once > 1:
        rows_at_once = ceil(rows_at_once / 2)
    while (
        images * ceil(n_rows / rows_at_once) * ceil(n_columns / columns_at_once) < wanted
        and columns_at_once > 2 * tiling.rows
    ):
        columns_at_once = ceil(ceil(columns_at_once / 2) / tiling.rows) * tiling.rows
    column_blocks, row_blocks = ceil(n_columns / columns_at_once), ceil(n_rows / rows_at_once)
    items = images * row_blocks * column_blocks
    parts = 1
    if s.threads > 1 and items < 2 * s.threads:
        parts = min(tiling.blocks, ceil(2 * s.threads / items))
    blocks_in_part = ceil(tiling.blocks / parts)
    parts = ceil(tiling.blocks / blocks_in_part)

    # --- tiles of a block of columns ---
    inner = heights(columns_at_once, tiling.rows) if column_blocks > 1 else ()
    outer = heights(n_columns - (column_blocks - 1) * columns_at_once, tiling.rows)
    distinct = sorted({h for h, _ in (*inner, *outer)}, reverse=True)
    counts = {}
    for where, cut in (("inner", dict(inner)), ("last", dict(outer))):
        for i in range(HEIGHTS):
            counts[f"{where}_{i}"] = cut.get(distinct[i], 0) if i < len(distinct) else 0

    # --- strides as the kernel sees them ---
    if strip:
        reach_c = (columns_at_once - 1) * column_advance + (columns.reach if column_step == 1 else 1)
        reach_r = (rows_at_once - 1) * row_advance + (rows.reach if row_step == 1 else 1)
        if strip == "plane":
            strip_column, strip_row, strip_channel = 1, reach_c, reach_c * reach_r
        else:
            strip_column, strip_row, strip_channel = s.channels, s.channels * reach_c, 1
        floats = -(-reach_c * reach_r * s.channels // 16) * 16 + 64
        view = (strip_row, strip_column, strip_channel)
        x_row, x_column = row_advance * strip_row, column_advance * strip_column
    else:
        floats = strip_row = strip_column = strip_channel = 0
        view = (rows.x_stride, columns.x_stride, s.x_channel)
        x_row, x_column = row_axis[1], column_axis[1]
    vr, vc, vi = view
    segments: list[tuple[int, int]]
    step = 1
    if s.channels == 1 or (vi == 1 and vc == in_group and adjacent_taps and s.groups == 1):
        if s.channels == 1 and vc != 1:
            step, order = vc, ("r", "c", "i")
            if not adjacent_taps:
                segments = [(r * vr + c * vc, 1) for r in taps_r for c in taps_c]
            else:
                segments = [(r * vr + taps_c[0] * vc, len(taps_c)) for r in taps_r]
        elif adjacent_taps:
            order = ("r", "c", "i")
            segments = [(r * vr + taps_c[0] * vc, len(taps_c) * in_group) for r in taps_r]
        else:
            order = ("r", "c", "i")
            segments = [(r * vr + c * vc, in_group) for r in taps_r for c in taps_c]
    elif in_group < len(taps_c) and adjacent_taps and vi != 1:
        order, step = ("i", "r", "c"), vc
        segments = [(i * vi + r * vr + taps_c[0] * vc, len(taps_c)) for i in range(in_group) for r in taps_r]
    else:
        order, step = ("r", "c", "i"), vi
        segments = [(r * vr + c * vc, in_group) for r in taps_r for c in taps_c]

    # --- blocks of terms ---
    most_terms = max(64, _PANEL_BYTES // (width * s.itemsize))
    cut_segments, terms = _blocks(segments, step, n_terms, most_terms)

    form = MultiplyForm(
        s.itemsize, lanes, tuple(distinct), tiling.vectors, tiling.last_vectors, step == 1, strip, s.after, s.residual
    )
    values.update(
        channel_parts=parts,
        column_blocks=column_blocks,
        row_blocks=row_blocks,
        rows=n_rows,
        columns=n_columns,
        rows_at_once=rows_at_once,
        columns_at_once=columns_at_once,
        **counts,
        x_image=image_axis[1],
        x_row=x_row,
        x_column=x_column,
        step=step,
        out_image=image_axis[2],
        out_row=row_axis[2],
        out_column=column_axis[2],
        groups=s.groups,
        x_group=in_group * vi,
        w_group=tiling.padded * n_terms,
        out_group=out_group,
        channel_blocks=tiling.blocks,
        blocks_in_part=blocks_in_part,
        w_block=n_terms * width,
        last=tiling.last,
        term_blocks=len(terms),
        strip_floats=floats,
        row_advance=row_advance,
        row_reach=rows.reach if row_step == 1 else 1,
        column_advance=column_advance,
        column_reach=columns.reach if column_step == 1 else 1,
        source_row=row_step * rows.x_stride,
        source_column=column_step * columns.x_stride,
        source_channel=s.x_channel,
        channels=s.channels,
        row_low=-(rows.low // row_step),
        row_high=(rows.inputs - 1 - rows.low) // row_step + 1,
        column_low=-(columns.low // column_step),
        column_high=(columns.inputs - 1 - columns.low) // column_step + 1,
        strip_row=strip_row,
        strip_column=strip_column,
        strip_channel=strip_channel,
    )
    return Run(
        kernel=form.load(),
        values=values,
        segments=np.array(cut_segments, np.int64).reshape(-1),
        terms=np.array(terms, np.int64).reshape(-1),
        scratch_floats=floats * s.threads,
        items=items * parts,
        grain=1,
        threads=s.threads,
        x_offset=rows.low * rows.x_stride + columns.low * columns.x_stride if strip else 0,
        order=order,
        tiling=tiling,
    )


def _merged(
    outer: tuple[int, int, int], inner: tuple[int, int, int]
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Make one axis of two (size, x stride, out stride) where the strides allow it; the outer one is then of size 1."""
    size, x, out = inner
    if outer[0] == 1 or size == 1:
        return (1, 0, 0), (inner if outer[0] == 1 else outer)
    if outer[1:] == (size * x, size * out):
        return (1, 0, 0), (outer[0] * size, x, out)
    return outer, inner


def _blocks(
    segments: Sequence[tuple[int, int]], step: int, n_terms: int, most: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
    """Cut the terms into blocks of equal length, about: (segments, (first segment, segments, first term))."""
    count = ceil(n_terms / most)
    size = ceil(n_terms / count)
    result: list[tuple[int, int]] = []
    blocks: list[tuple[int, int, int]] = []
    first, in_block, term, start = 0, 0, 0, 0
    for offset, length in segments:
        while length:
            taken = min(length, size - in_block)
            result.append((offset, taken))
            offset, length, in_block, term = offset + taken * step, length - taken, in_block + taken, term + taken
            if in_block == size:
                blocks.append((first, len(result) - first, start))
                first, in_block, start = len(result), 0, term
    if in_block:
        blocks.append((first, len(result) - first, start))
    return result, blocks
