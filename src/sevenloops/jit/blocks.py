"""What the kernels of direct convolution share: an item's block of output positions, and the input under it."""

from collections.abc import Mapping
from typing import NamedTuple

from sevenloops.jit.language import Int, Value
from sevenloops.jit.llvm import Function
from sevenloops.jit.strip import INTEGERS as STRIP

__all__ = ["INTEGERS", "Block", "locate"]

#: What a kernel that uses blocks has among its arguments: their sizes and numbers, the strides in floats of images
#: and of an output's row and column in the input (or the strip), the strip's size, and of its axes the positions per
#: output and those that an output sees.
INTEGERS = (
    "column_blocks",
    "row_blocks",
    "rows",
    "columns",
    "rows_at_once",
    "columns_at_once",
    "x_image",
    "x_row",
    "x_column",
    "strip_floats",
    "row_advance",
    "row_reach",
    "column_advance",
    "column_reach",
    *STRIP,
)


class Block(NamedTuple):
    """A block of an image's output positions; `x` is the address of what its first one sees."""

    image: Value
    row_begin: Value
    row_end: Int
    column_begin: Value
    column_end: Int
    is_last_column: Value
    x: Value


def locate(
    code: Function, get: Mapping[str, Value], args: Value, number: Value, thread: Value, strip: Function | None
) -> Block:
    """Write what finds block `number`, counted with columns innermost and images outermost, and makes its strip."""
    column_block, rest = number % get["column_blocks"], number // get["column_blocks"]
    row_block, image = rest % get["row_blocks"], rest // get["row_blocks"]
    row_begin = row_block * get["rows_at_once"]
    row_end = code.minimum(row_begin + get["rows_at_once"], get["rows"])
    column_begin = column_block * get["columns_at_once"]
    column_end = code.minimum(column_begin + get["columns_at_once"], get["columns"])
    source = code.address(get["x"], image * get["x_image"])
    if strip is None:
        x = code.address(source, row_begin * get["x_row"] + column_begin * get["x_column"])
    else:
        x = code.address(get["scratch"], thread * get["strip_floats"])
        code.call(
            strip,
            args,
            source,
            x,
            row_begin * get["row_advance"],
            (row_end - 1) * get["row_advance"] + get["row_reach"],
            column_begin * get["column_advance"],
            (column_end - 1) * get["column_advance"] + get["column_reach"],
        )
    is_last = (column_block + 1).equals(get["column_blocks"])
    return Block(image, row_begin, row_end, column_begin, column_end, is_last, x)
