"""Channels first to channels last: the change of order that a network pays for once."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, prod

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.jit import compiler, target
from sevenloops.jit.addresses import address
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.planning.calls import Call
from sevenloops.jit.target import Target

__all__ = ["channels_last"]

_ARGUMENTS = Layout(("x", "out"), ("blocks", "positions", "at_once", "channels", "x_image", "x_channel"))
_AT_ONCE = 256  # positions of an item
_WORTH_A_THREAD = 1 << 14  # elements


@dataclass(frozen=True, slots=True)
class _Form:
    """The kernel; an item is some positions of an image, which are adjacent in the input, with all channels."""

    itemsize: int
    lanes: int

    @property
    def name(self) -> str:
        return f"channels_last_f{8 * self.itemsize}x{self.lanes}"

    def load(self) -> int:
        return compiler.load(self.name, self.write)

    def write(self, target: Target) -> str:
        program = Program(target, self.itemsize, self.lanes)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: _ARGUMENTS.read(code, args, name) for name in _ARGUMENTS.names}
        channels, lanes = get["channels"], self.lanes
        with code.loop(begin, end) as item:
            image, block = item // get["blocks"], item % get["blocks"]
            first = block * get["at_once"]
            last = code.integer(code.minimum(first + get["at_once"], get["positions"]))
            x = code.address(get["x"], image * get["x_image"])
            out = code.address(get["out"], image * (get["positions"] * channels))

            def one_by_one(c: Value, start: Value, stop: Value) -> None:
                source = code.address(x, c * get["x_channel"])
                with code.loop(start, stop) as p:
                    code.store(code.load_real(source, p), out, p * channels + c)

            whole = channels - channels % lanes
            squares = first + (last - first) // lanes * lanes
            with code.loop(0, whole, lanes) as c:
                source = code.address(x, c * get["x_channel"])
                with code.loop(first, squares, lanes) as p:
                    rows = [code.load(source, get["x_channel"] * i + p) for i in range(lanes)]
                    for i, column in enumerate(code.transpose(rows)):
                        code.store(column, out, (p + i) * channels + c)
                with code.loop(c, c + lanes) as channel:
                    one_by_one(channel, squares, last)
            with code.loop(whole, channels) as channel:
                one_by_one(channel, first, last)
        return program.text()


def channels_last(array: Array) -> Array:
    """Return an (N, C, *spatial) array in memory that has the channels last: itself, or a copy."""
    if array.strides[1] == array.itemsize or array.shape[1] == 1:
        return array
    positions = prod(array.shape[2:])
    last = runtime.empty((array.shape[0], *array.shape[2:], array.shape[1]), array.dtype)
    if array.dtype.char not in "fd" or not array.size or not _is_run(array):
        last[...] = np.moveaxis(array, 1, -1)
        return np.moveaxis(last, -1, 1)
    strides = (array.strides[0] // array.itemsize, array.strides[1] // array.itemsize)
    call = _call(array.shape[0], array.shape[1], positions, strides, array.itemsize, runtime.get_num_threads())
    call.run(x=address(array), out=address(last))
    return np.moveaxis(last, -1, 1)


def _is_run(array: Array) -> bool:
    """Return whether the positions of a channel are adjacent, and channels and images whole floats apart."""
    step = array.itemsize
    for size, stride in zip(reversed(array.shape[2:]), reversed(array.strides[2:])):
        if size > 1 and stride != step:
            return False
        step *= size
    return not any(stride % array.itemsize for stride in array.strides[:2])


@lru_cache(maxsize=256)
def _call(images: int, channels: int, positions: int, strides: tuple[int, int], itemsize: int, threads: int) -> Call:
    blocks = ceil(positions / _AT_ONCE)
    values = {
        "blocks": blocks,
        "positions": positions,
        "at_once": _AT_ONCE,
        "channels": channels,
        "x_image": strides[0],
        "x_channel": strides[1],
    }
    form = _Form(itemsize, target.current().vector_bytes // itemsize)
    threads = max(1, min(threads, images * channels * positions // _WORTH_A_THREAD))
    return Call(form, _ARGUMENTS, values, images * blocks, 1, threads)
