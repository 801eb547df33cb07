"""Strips: the part of an input that some rows of outputs need, padded, in the order that the register tile likes.

A strip is made by the thread that uses it and stays in its cache. Its rows and columns are counted as in the padded
input: position r of the strip's axis is position r·step + first of the source's, and zero where that does not exist.

    kind       source                                  strip
    run        channels last, columns adjacent         [row][column][channel]
    pixel      channels last                           [row][column][channel]
    plane      channels first, columns adjacent        [channel][row][column]
    any        any strides                             [row][column][channel]
"""

from typing import Literal, TypeAlias

from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Int, Value
from sevenloops.jit.llvm import Function, Program

__all__ = ["INTEGERS", "Kind", "define_strip"]

Kind: TypeAlias = Literal["run", "pixel", "plane", "any"]

#: What a kernel that uses strips has among its arguments: of the source the strides (in floats, of one step of the
#: strip's axes), the channels, the range of the strip's positions that exist; of the strip the strides.
INTEGERS = (
    "source_row",
    "source_column",
    "source_channel",
    "channels",
    "row_low",
    "row_high",
    "column_low",
    "column_high",
    "strip_row",
    "strip_column",
    "strip_channel",
)


def define_strip(program: Program, name: str, kind: Kind, layout: Layout) -> Function:
    """Write the function that makes a strip.

    Its parameters: args (the kernel's), source (the address of position (0, 0) of the strip's axes in the image,
    which may lie outside), strip, and the rows and columns as row_begin, row_end, column_begin, column_end.
    """
    code = program.function(name, "pppiiii")
    args, source, strip, row_begin, row_end, column_begin, column_end = code.arguments
    get = {key: layout.read(code, args, key) for key in INTEGERS}
    channels = get["channels"]
    low = _clamp(code, get["column_low"], column_begin, column_end)
    high = _clamp(code, get["column_high"], low, column_end)

    def line(target: Value, row: Value, channel: Int, run: Int) -> None:
        """Make one row of the strip, of which each column has `run` adjacent floats."""
        exists = code.select(row < get["row_low"], code.integer(0), code.integer(1))
        exists = code.select(row < get["row_high"], exists, code.integer(0))
        start = code.select(exists.equals(1), low, column_end)
        stop = code.select(exists.equals(1), high, column_end)
        _zero(code, target, (start - column_begin) * run)
        here = code.address(source, row * get["source_row"])
        if kind == "run":
            _copy(
                code,
                code.address(here, start * run),
                code.address(target, (start - column_begin) * run),
                (stop - start) * run,
            )
        elif kind == "plane":
            here = code.address(here, get["source_channel"] * channel)
            _copy(code, code.address(here, start), code.address(target, start - column_begin), stop - start)
        elif kind == "pixel":
            with code.loop(start, stop) as column:
                place = code.address(target, (column - column_begin) * run)
                _copy(code, code.address(here, column * get["source_column"]), place, run)
        else:
            with code.loop(0, channels) as c:
                of_channel = code.address(here, c * get["source_channel"])
                to_channel = code.address(target, c)
                with code.loop(start, stop) as column:
                    number = code.load_real(of_channel, column * get["source_column"])
                    code.store(number, to_channel, (column - column_begin) * channels)
        _zero(code, code.address(target, (stop - column_begin) * run), (column_end - stop) * run)

    if kind == "plane":
        with code.loop(0, channels) as c:
            plane = code.address(strip, c * get["strip_channel"])
            with code.loop(row_begin, row_end) as row:
                line(code.address(plane, (row - row_begin) * get["strip_row"]), row, c, 1)
    else:
        with code.loop(row_begin, row_end) as row:
            line(code.address(strip, (row - row_begin) * get["strip_row"]), row, 0, channels)
    return code


def _clamp(code: Code, value: Value, low: Value, high: Value) -> Value:
    value = code.select(value < low, low, value)
    return code.select(value < high, value, high)


def _zero(code: Code, target: Value, count: Int) -> None:
    for i, mask in code.tiles(count):
        code.store(code.zero(), target, i, mask)


def _copy(code: Code, source: Value, target: Value, count: Int) -> None:
    for i, mask in code.tiles(count):
        code.store(code.load(source, i, mask), target, i, mask)
