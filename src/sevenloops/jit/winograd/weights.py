"""The kernels of a convolution, transformed: U = G g Gᵀ over vectors of the channels that a product keeps apart.

A lane is one of those channels, and the terms of the products are the others: forward, lanes are output channels and
terms input channels; for the input gradient it is the other way round and the kernel is flipped. Where in memory
neither the lanes nor the taps of a kernel are adjacent, numbers are gathered one by one.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Int, Value
from sevenloops.jit.llvm import Function, Program
from sevenloops.jit.winograd.linear import Matrix, multiply_both

__all__ = ["INTEGERS", "Adjacent", "define_weights", "load_kernels", "store_kernels"]

#: What lies side by side in the weights: the channels of the lanes, the taps of a kernel (row by row), or neither.
Adjacent: TypeAlias = Literal["lanes", "taps", "none"]

# Terms ahead: adjacent kernels share cache lines; those of the input gradient are far from each other.
_NEAR, _FAR = 8, 2

#: Strides of the weights in floats.
INTEGERS = ("w_lane", "w_term", "w_row", "w_column")


def define_weights(
    program: Program,
    name: str,
    left: Matrix,
    right: Matrix,
    adjacent: Adjacent,
    flipped: bool,
    width: int,
    layout: Layout,
) -> Function:
    """Write the function that transforms the kernels of some terms and one vector of lanes.

    Its parameters: args, source (the address of the first lane's and term's kernel), scratch (a vector for each tap),
    target, target_product, lanes (how many of them exist; the others become zero), terms. Terms lie `width` floats
    apart in the target.
    """
    code = program.function(name, "ppppiii")
    args, source, scratch, target, target_product, lanes, terms = code.arguments
    strides = [layout.read(code, args, key) for key in INTEGERS]
    rows, columns = len(left[0]), len(right[0])
    load = load_kernels(code, source, scratch, strides, (rows, columns), adjacent, lanes, _FAR if flipped else _NEAR)
    with code.loop(0, terms) as term:
        taps = load(term)
        if flipped:
            taps.reverse()
        square = [taps[y * columns : (y + 1) * columns] for y in range(rows)]
        here = code.address(target, term * width)
        for i, row in enumerate(multiply_both(code, left, right, square)):
            for j, value in enumerate(row):
                code.store(value, here, target_product * (i * len(right) + j))
    return code


def load_kernels(
    code: Code,
    source: Value,
    scratch: Value,
    strides: Sequence[Value],
    size: tuple[int, int],
    adjacent: Adjacent,
    lanes: Value,
    ahead: int,
) -> Callable[[Value], list[Value]]:
    """Return what writes the loads of a term's kernels: a vector of lanes for each tap, row by row.

    Kernels so many terms ahead are asked for: the lanes' are in as many places of memory, too many to be foreseen.
    """
    lane_stride, term_stride, row, column = strides
    rows, columns = size
    taps, width = rows * columns, code.lanes
    if adjacent == "taps":
        # A row of the square is a lane's kernel; turned over, a row is a tap.
        starts: list[Int] = [lane_stride * code.maximum(code.minimum(lanes - 1, i), 0) for i in range(width)]
        counts = [code.select(lanes > i, code.integer(taps), code.integer(0)) for i in range(width)]
        pieces = range(0, taps, width)
        masks = [[code.first_lanes(code.minimum(count - first, width)) for count in counts] for first in pieces]
    mask = code.first_lanes(lanes)

    def load(term: Value) -> list[Value]:
        here = code.address(source, term * term_stride)
        if adjacent == "lanes":
            return [code.load(here, row * y + column * x, mask) for y in range(rows) for x in range(columns)]
        if adjacent == "taps":
            found: list[Value] = []
            for first, of_piece in zip(pieces, masks, strict=True):
                square = [code.load(code.address(here, start), first, m) for start, m in zip(starts, of_piece)]
                for start in starts:
                    code.prefetch(code.address(here, term_stride * ahead + start), first)
                found += code.transpose(square)
            return found[:taps]
        for tap in range(taps):
            code.store(code.zero(), scratch, tap * width)
        with code.loop(0, code.minimum(lanes, width)) as lane:
            kernel = code.address(here, lane * lane_stride)
            for tap in range(taps):
                number = code.load_real(kernel, row * (tap // columns) + column * (tap % columns))
                code.store(number, scratch, lane + tap * width)
        return [code.load(scratch, tap * width) for tap in range(taps)]

    return load


def store_kernels(
    code: Code,
    target: Value,
    scratch: Value,
    strides: Sequence[Value],
    size: tuple[int, int],
    adjacent: Adjacent,
    lanes: Value,
) -> Callable[[Value, list[Value]], None]:
    """Return what writes the stores of a term's kernels from a vector of lanes for each tap, row by row."""
    lane_stride, term_stride, row, column = strides
    rows, columns = size
    taps, width = rows * columns, code.lanes
    if adjacent == "taps":
        counts = [code.select(lanes > i, code.integer(taps), code.integer(0)) for i in range(width)]
        pieces = range(0, taps, width)
        masks = [[code.first_lanes(code.minimum(count - first, width)) for count in counts] for first in pieces]
    mask = code.first_lanes(lanes)

    def store(term: Value, values: list[Value]) -> None:
        here = code.address(target, term * term_stride)
        if adjacent == "lanes":
            for tap, value in enumerate(values):
                code.store(value, here, row * (tap // columns) + column * (tap % columns), mask)
        elif adjacent == "taps":
            for first, of_piece in zip(pieces, masks, strict=True):
                some = values[first : first + width]
                square = code.transpose(some + [code.zero()] * (width - len(some)))
                for i, (kernel, which) in enumerate(zip(square, of_piece, strict=True)):
                    code.store(kernel, code.address(here, lane_stride * i), first, which)
        else:
            for tap, value in enumerate(values):
                code.store(value, scratch, tap * width)
            with code.loop(0, code.minimum(lanes, width)) as lane:
                kernel = code.address(here, lane * lane_stride)
                for tap in range(taps):
                    number = code.load_real(scratch, lane + tap * width)
                    code.store(number, kernel, row * (tap // columns) + column * (tap % columns))

    return store
