"""How a kernel looks at an input: as it lies in memory or through strips, along which axes, in which runs.

Everything here is about places; it serves the multiplication of an input by weights and that of an input by a
gradient alike, since both need, for every output position, the inputs under the kernel's taps.
"""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from sevenloops.jit.strip import Kind

__all__ = [
    "Axis",
    "Blocks",
    "Extent",
    "Runs",
    "Source",
    "View",
    "block_arguments",
    "blocks",
    "first_seen",
    "runs",
    "view",
    "worth_threads",
]

# Bytes of inputs and outputs of a block, which should stay in the second-level cache beside the weights.
_BLOCK_BYTES = 256 * 1024

_FEW_CHANNELS = 4  # up to here the taps along a kernel's row make longer runs than the channels
_WORTH_A_THREAD = 200_000  # multiplications

_SHORT = 6  # positions of an axis along which tiles are too short


@dataclass(frozen=True, slots=True)
class Axis:
    """A spatial axis of a convolution, and the strides of input and output in floats.

    Output position i sees, for each tap t, input position i·stride + offset_t, which is zero if it does not exist.
    The offsets ascend.
    """

    outputs: int
    inputs: int
    stride: int
    offsets: tuple[int, ...]
    x_stride: int
    out_stride: int

    @property
    def low(self) -> int:
        """The first tap's offset."""
        return self.offsets[0]

    @property
    def is_inside(self) -> bool:
        """Whether no output sees anything outside the input."""
        return self.low >= 0 and (self.outputs - 1) * self.stride + self.offsets[-1] < self.inputs

    @property
    def step(self) -> int:
        """Input positions per position of a strip: a strip has only what is seen."""
        return self.stride if len(self.offsets) == 1 else 1

    @property
    def advance(self) -> int:
        """Positions of a strip per output."""
        return self.stride // self.step

    @property
    def reach(self) -> int:
        """Positions of a strip that one output sees, from the first to the last."""
        return 1 if len(self.offsets) == 1 else self.offsets[-1] - self.low + 1

    @property
    def has_adjacent_taps(self) -> bool:
        """Whether the taps lie side by side."""
        return self.offsets[-1] - self.low == len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class Source:
    """An input and an output of a convolution: sizes, and strides in floats.

    Attributes
    ----------
    images, channels, out_channels, groups : int
        The channels are those of all groups.
    rows, columns : Axis
    x_image, x_channel, out_image : int
        The output's channels are adjacent.
    itemsize, threads : int
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

    @property
    def in_group(self) -> int:
        """Input channels of a group."""
        return self.channels // self.groups

    @property
    def out_group(self) -> int:
        """Output channels of a group."""
        return self.out_channels // self.groups

    @property
    def terms(self) -> int:
        """Inputs that an output sees."""
        return self.in_group * len(self.rows.offsets) * len(self.columns.offsets)


class Extent(NamedTuple):
    """A loop over outputs: how many, and the strides in floats from one to the next, in the input and the output."""

    size: int
    x: int
    out: int


class View(NamedTuple):
    """The loops over outputs, outermost first, and the kind of strip, if there are strips."""

    images: Extent
    rows: Extent
    columns: Extent
    strip: Kind | None


def worth_threads(multiplications: int, threads: int) -> int:
    """Return how many of so many threads have enough to do: about 4 µs of multiplying each."""
    return max(1, min(threads, multiplications // _WORTH_A_THREAD))


def view(s: Source) -> View:
    """Return the loops over the outputs and whether they see the input itself."""
    images = Extent(s.images, s.x_image, s.out_image)
    rows = Extent(s.rows.outputs, s.rows.stride * s.rows.x_stride, s.rows.out_stride)
    columns = Extent(s.columns.outputs, s.columns.stride * s.columns.x_stride, s.columns.out_stride)
    channels_last = s.x_channel == 1 or s.channels == 1
    few = s.in_group <= _FEW_CHANNELS and len(s.columns.offsets) > 1
    if not (s.rows.is_inside and s.columns.is_inside) or not (channels_last or few):
        kind: Kind = "any"
        if channels_last:
            kind = "run" if s.columns.step == 1 and s.columns.x_stride == s.channels else "pixel"
        elif few and s.columns.x_stride == 1 and s.columns.step == 1 and s.groups == 1:
            kind = "plane"
        return View(images, rows, columns, kind)
    # Without strips any loop may be the innermost: the longer it is, the better.
    rows, columns = _merged(rows, columns)
    if rows.size == 1:
        images, columns = _merged(images, columns)
    if columns.size < _SHORT and images.size > columns.size:
        images, columns = columns, images
    if columns.size < _SHORT and rows.size > columns.size:
        rows, columns = columns, rows
    return View(images, rows, columns, None)


def _merged(outer: Extent, inner: Extent) -> tuple[Extent, Extent]:
    """Make one loop of two where the strides allow it; the outer one is then of size 1."""
    if outer.size == 1 or inner.size == 1:
        return Extent(1, 0, 0), inner if outer.size == 1 else outer
    if outer[1:] == (inner.size * inner.x, inner.size * inner.out):
        return Extent(1, 0, 0), Extent(outer.size * inner.size, inner.x, inner.out)
    return outer, inner


class Blocks(NamedTuple):
    """The outputs' rows and columns in blocks, and how many blocks there are, those of all images counted."""

    rows: int
    columns: int
    row_blocks: int
    column_blocks: int
    total: int


def blocks(s: Source, v: View, tile: int, least: int, floor: int = 0) -> Blocks:
    """Cut the outputs into blocks that fit the cache.

    Parameters
    ----------
    s, v
        The source and its view.
    tile : int
        Columns of which a block has a multiple, unless it has all.
    least : int
        How many blocks there should be at least, if possible.
    floor : int
        Positions that a block should have even if they do not fit.
    """
    seen = s.rows.advance * s.columns.advance if v.strip else s.rows.stride * s.columns.stride
    at_once = max(tile, floor, _BLOCK_BYTES // (s.itemsize * (s.channels * seen + s.out_channels)))
    columns, rows = v.columns.size, v.rows.size
    if columns > at_once:
        columns, rows = at_once // tile * tile, 1
    else:
        rows = max(1, min(rows, at_once // columns))

    def cut() -> Blocks:
        row_blocks, column_blocks = ceil(v.rows.size / rows), ceil(v.columns.size / columns)
        return Blocks(rows, columns, row_blocks, column_blocks, v.images.size * row_blocks * column_blocks)

    while cut().total < least and rows > 1:
        rows = ceil(rows / 2)
    while cut().total < least and columns > 2 * tile:
        columns = ceil(columns / 2 / tile) * tile
    return cut()


class Runs(NamedTuple):
    """The inputs that an output sees, in runs, and the strip in which they lie.

    Attributes
    ----------
    segments : list of (int, int)
        Offset in floats from what the output sees first, and length.
    step : int
        Floats from one input of a run to the next.
    order : str
        The axes of the terms, outermost first: "r" kernel rows, "c" kernel columns, "i" input channels.
    group : int
        Floats from one group's inputs to the next.
    strip_floats : int
        Size of a strip.
    strides : tuple of int
        Floats from a row, column and channel of the strip, or the input, to the next.
    """

    segments: list[tuple[int, int]]
    step: int
    order: str
    group: int
    strip_floats: int
    strides: tuple[int, int, int]


def runs(s: Source, v: View, b: Blocks) -> Runs:
    """Return the runs in which the inputs are read."""
    if v.strip:
        reach = [(n - 1) * a.advance + a.reach for n, a in ((b.rows, s.rows), (b.columns, s.columns))]
        if v.strip == "plane":
            row, column, channel = reach[1], 1, reach[0] * reach[1]
        else:
            row, column, channel = s.channels * reach[1], s.channels, 1
        floats = -(-reach[0] * reach[1] * s.channels // 16) * 16
        first_row, first_column = s.rows.low, s.columns.low
    else:
        row, column, channel = s.rows.x_stride, s.columns.x_stride, s.x_channel
        floats = first_row = first_column = 0
    row_places = [(o - first_row) * row for o in s.rows.offsets]
    column_places = [(o - first_column) * column for o in s.columns.offsets]
    adjacent, count = s.columns.has_adjacent_taps, len(column_places)
    order, step = "rci", channel
    if adjacent and s.groups == 1 and (s.channels == 1 or (channel == 1 and column == s.channels)):
        step = column if s.channels == 1 else 1
        segments = [(r + column_places[0], count * s.channels) for r in row_places]
    elif adjacent and s.in_group < count and channel != 1:
        order, step = "irc", column
        segments = [(i * channel + r + column_places[0], count) for i in range(s.in_group) for r in row_places]
    else:
        segments = [(r + c, s.in_group) for r in row_places for c in column_places]
    return Runs(segments, step, order, s.in_group * channel, floats, (row, column, channel))


def block_arguments(s: Source, v: View, b: Blocks, r: Runs) -> dict[str, int]:
    """Return what kernels are told of blocks and strips: see `sevenloops.jit.blocks`."""
    row, column, channel = r.strides
    return {
        "column_blocks": b.column_blocks,
        "row_blocks": b.row_blocks,
        "rows": v.rows.size,
        "columns": v.columns.size,
        "rows_at_once": b.rows,
        "columns_at_once": b.columns,
        "x_image": v.images.x,
        "x_row": s.rows.advance * row if v.strip else v.rows.x,
        "x_column": s.columns.advance * column if v.strip else v.columns.x,
        "strip_floats": r.strip_floats,
        "row_advance": s.rows.advance,
        "row_reach": s.rows.reach,
        "column_advance": s.columns.advance,
        "column_reach": s.columns.reach,
        "source_row": s.rows.step * s.rows.x_stride,
        "source_column": s.columns.step * s.columns.x_stride,
        "source_channel": s.x_channel,
        "channels": s.channels,
        "row_low": -(s.rows.low // s.rows.step),
        "row_high": (s.rows.inputs - 1 - s.rows.low) // s.rows.step + 1,
        "column_low": -(s.columns.low // s.columns.step),
        "column_high": (s.columns.inputs - 1 - s.columns.low) // s.columns.step + 1,
        "strip_row": row,
        "strip_column": column,
        "strip_channel": channel,
    }


def first_seen(s: Source, v: View) -> int:
    """Return the floats from the input's first element to where kernels count positions from; it may lie outside."""
    return s.rows.low * s.rows.x_stride + s.columns.low * s.columns.x_stride if v.strip else 0
