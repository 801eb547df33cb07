"""The sum of each channel over all images and positions: the gradient of a bias."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.jit import compiler, target
from sevenloops.jit.arguments import Layout
from sevenloops.jit.llvm import Program
from sevenloops.jit.planning.calls import Call, address
from sevenloops.jit.target import Target

__all__ = ["accepts", "channel_sums"]

_ARGUMENTS = Layout(("x", "sums"), ("rows", "rows_at_once", "channels", "padded"))
_AT_ONCE = 4  # rows that are added to sums of their own: an addition takes four cycles
_WORTH_A_THREAD = 1 << 15  # elements


@dataclass(frozen=True, slots=True)
class _Form:
    """The kernel; an item is a slice of the rows of a matrix (rows, channels), which has sums of its own."""

    itemsize: int
    lanes: int

    def write(self, target: Target) -> str:
        program = Program(target, self.itemsize, self.lanes)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: _ARGUMENTS.read(code, args, name) for name in _ARGUMENTS.names}
        channels = get["channels"]
        with code.loop(begin, end) as item:
            first = item * get["rows_at_once"]
            rows = code.integer(code.minimum(get["rows_at_once"], get["rows"] - first))
            for channel, mask in code.tiles(channels):
                totals = [code.variable(code.zero()) for _ in range(_AT_ONCE)]
                x = code.address(get["x"], first * channels + channel)
                whole = rows - rows % _AT_ONCE
                with code.loop(0, whole, _AT_ONCE) as row:
                    for i, total in enumerate(totals):
                        total.set(total.get() + code.load(x, (row + i) * channels, mask))
                with code.loop(whole, rows) as row:
                    totals[0].set(totals[0].get() + code.load(x, row * channels, mask))
                values = [total.get() for total in totals]
                result = (values[0] + values[1]) + (values[2] + values[3])
                code.store(result, get["sums"], item * get["padded"] + channel, mask)
        return program.text()

    @property
    def name(self) -> str:
        return f"channel_sums_f{8 * self.itemsize}x{self.lanes}"

    def load(self) -> int:
        return compiler.load(self.name, self.write)


def accepts(x: Array) -> bool:
    """Return whether an (N, C, *spatial) array is one matrix of pixels by channels in memory."""
    last = np.moveaxis(x, 1, -1)
    return x.dtype.char in "fd" and x.size > 0 and last.flags.c_contiguous and x.flags.aligned


def channel_sums(x: Array) -> Array:
    """Return the sum (C,) of an array that is accepted, over all but its axis 1."""
    channels = x.shape[1]
    call, slices = _call(x.size // channels, channels, x.itemsize, runtime.get_num_threads())
    sums = runtime.empty((slices, channels), x.dtype)
    call.run(x=address(x), sums=address(sums))
    result: Array = sums[0] if slices == 1 else sums.sum(axis=0)
    return result


@lru_cache(maxsize=256)
def _call(rows: int, channels: int, itemsize: int, threads: int) -> tuple[Call, int]:
    slices = max(1, min(threads, rows * channels // _WORTH_A_THREAD))
    at_once = ceil(rows / slices)
    slices = ceil(rows / at_once)
    widest = target.current().vector_bytes // itemsize
    form = _Form(itemsize, widest // 2 if channels <= widest // 2 and widest > 2 else widest)
    values = {"rows": rows, "rows_at_once": at_once, "channels": channels, "padded": channels}
    return Call(form, _ARGUMENTS, values, slices, 1, threads), slices
