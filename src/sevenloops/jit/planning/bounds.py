"""Bounds of what a pass allocates, whatever the strides of its arrays: a plan knows their order, not each stride.

The size of a strip does not depend on the strides, only whether there is one. Packed weights and sums depend on them
through the tiles, which are chosen for the loops that the strides allow to be merged, and for the runs.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from sevenloops.jit import target
from sevenloops.jit.planning import correlation, depthwise, multiplication
from sevenloops.jit.planning.view import Source, view

__all__ = ["correlation_floats", "multiplication_floats"]


def multiplication_floats(s: Source) -> tuple[int, int]:
    """Return the most floats of packed weights, and of strips."""
    layouts = list(_layouts(s))
    through_strips = next((layout for layout in (s, *layouts) if view(layout).strip), s)
    if all(map(depthwise.is_depthwise, layouts)):
        lone = depthwise.prepare(through_strips)
        return s.terms * lone.tiling.padded, lone.scratch
    prepared = multiplication.prepare(through_strips)
    if not (s.rows.is_inside and s.columns.is_inside):  # strips in any case, so the loops are as they are
        return s.groups * s.terms * prepared.tiling.padded, prepared.scratch
    widest = target.current().vector_bytes // s.itemsize
    scratch = prepared.scratch
    if depthwise.is_depthwise(through_strips):
        scratch = max(scratch, depthwise.prepare(through_strips).scratch)
    return s.groups * s.terms * ceil(s.out_group / widest) * widest, scratch


def correlation_floats(s: Source) -> tuple[int, int]:
    """Return the most floats of sums, and of strips."""
    alone, floats, scratch = True, 0, 0
    for layout in _layouts(s):
        if depthwise.is_depthwise(layout):
            lone = depthwise.prepare_gradient(layout)
            alone, values, strips = False, lone.values, lone.scratch
        else:
            prepared = correlation.prepare(layout)
            alone = alone and prepared.values["channel_parts"] > 1
            values, strips = prepared.values, prepared.scratch
        floats, scratch = max(floats, values["sum_slice"]), max(scratch, strips)
    return floats * (1 if alone else s.threads), scratch


def _layouts(s: Source) -> Iterator[Source]:
    """Yield the source with strides of every kind that views, runs and tiles tell apart."""
    positions = s.rows.inputs * s.columns.inputs
    last = (s.channels * s.columns.inputs, s.channels, 1)
    first = (s.columns.inputs, 1, positions)
    apart = (2 * s.columns.inputs, 2, 2 * positions)
    gaps = (2 * s.channels * s.columns.inputs, 2 * s.channels, 1)
    for row, column, channel in (last, first, apart, gaps):
        yield replace(
            s,
            rows=replace(s.rows, x_stride=row),
            columns=replace(s.columns, x_stride=column),
            x_image=2 * s.channels * positions,
            x_channel=channel,
        )
