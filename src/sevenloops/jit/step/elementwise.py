"""Kernels that compute each element of the result from one element of each input, in one pass over memory.

An item is a block of elements. Options are numbers that the kernel reads when it is called.
"""

import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

from sevenloops import backends, runtime
from sevenloops.arrays import Array
from sevenloops.jit import compiler, pool
from sevenloops.jit.language import Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.step.flat import addresses, apart
from sevenloops.jit.target import Target

__all__ = ["BLOCK", "Elementwise", "Formula"]

#: Writes the instructions for one vector of the result, from one of each input and the options, spread.
Formula: TypeAlias = Callable[..., Value]

#: Elements of an item.
BLOCK = 4096

_UNROLLED = 4  # vectors of an iteration: loads of several are under way at once


class Elementwise:
    """An elementwise kernel: called as ``kernel(*inputs, out, **options)``.

    It takes float32 and float64 arrays whose memory is a run of elements, in the same order in all of them, and hands
    all others to the NumPy kernel.

    Parameters
    ----------
    operation, direction : str
        Its place in the table of backends.
    formula : callable
        ``formula(code, *inputs, *options)``.
    options : sequence of str
        The names of its options, in the formula's order.
    alone : int
        Elements up to which one thread is faster than several.
    """

    def __init__(
        self, operation: str, direction: str, formula: Formula, options: Sequence[str] = (), *, alone: int = 1 << 16
    ) -> None:
        self.operation, self.direction = operation, direction
        self._formula, self._options, self._alone = formula, tuple(options), alone
        self._load = cache(self._loaded)

    def __call__(self, *arrays: Array, **options: Any) -> None:
        """Write the last array."""
        starts = addresses(arrays)
        out = arrays[-1]
        if starts is None or not apart(starts[-1], starts, out.nbytes):
            backends.kernel(self.operation, self.direction, "numpy")(*arrays, **options)
            return
        size = out.size
        kernel, plain, pack = self._load(out.dtype.char, len(arrays))
        args = pack(*starts, size, *[options[name] for name in self._options])
        items = -(-size // BLOCK)
        if size > self._alone and (threads := runtime.get_num_threads()) > 1:
            pool.run(kernel, args, items, max(1, items // (8 * threads)), threads)
        else:
            plain(args, 0, items, 0)

    def _loaded(self, char: str, count: int) -> tuple[int, Callable[..., None], Callable[..., bytes]]:
        name = f"{self.operation.replace('/', '_')}_{self.direction}_{char}"
        address = compiler.load(name, lambda target: self.write(target, name, 4 if char == "f" else 8, count))
        layout = f"={count}Qq" + ("f4x" if char == "f" else "d") * len(self._options)
        return address, compiler.Kernel(address), struct.Struct(layout).pack

    def write(self, target: Target, name: str, itemsize: int, count: int) -> str:
        """Return the program for so many arrays."""
        program = Program(target, itemsize)
        code = program.function(name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        pointers = [code.load_pointer(args, i) for i in range(count)]
        size = code.load_int(args, count)
        slot = 8 // itemsize
        options = [code.spread(code.load_real(args, (count + 1 + i) * slot)) for i in range(len(self._options))]
        first = begin * BLOCK
        length = code.minimum(end * BLOCK, size) - first
        *read, written = [code.address(pointer, first) for pointer in pointers]
        step = code.lanes * _UNROLLED
        whole = length - length % step

        def at(place: Value, mask: Value | None = None) -> None:
            inputs = [code.load(pointer, place, mask) for pointer in read]
            code.store(self._formula(code, *inputs, *options), written, place, mask)

        with code.loop(0, whole, step) as i:
            places = [i + v * code.lanes for v in range(_UNROLLED)]
            inputs = [[code.load(pointer, place) for pointer in read] for place in places]
            results = [self._formula(code, *vectors, *options) for vectors in inputs]
            for place, result in zip(places, results):
                code.store(result, written, place)
        with code.loop(whole, length, code.lanes) as i:
            at(i, code.first_lanes(length - i))
        return program.text()
