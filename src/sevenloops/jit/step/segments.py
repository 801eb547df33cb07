"""The kernel of an optimizer's step: one pass over each parameter, its gradient and its buffers; one call for all.

The host gives a table of segments, one for each parameter: addresses of the values, the gradient, the buffers, and
which row of numbers holds. An item is a piece of a segment, (segment, first element, end).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "Formula", "SegmentForm"]

ARGUMENTS = Layout(("items", "segments", "numbers"), ())

#: ``formula(code, parameter, gradient, buffers, numbers) -> (parameter, buffers)``, for one vector.
Formula: TypeAlias = Callable[[Code, Value, Value, Sequence[Value], Sequence[Value]], tuple[Value, list[Value]]]

_AT_ONCE = 2  # vectors of an iteration


@dataclass(frozen=True)
class SegmentForm:
    """A kernel for one update, with so many buffers and numbers."""

    name: str
    formula: Formula
    buffers: int
    numbers: int
    itemsize: int

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}
        arrays = 2 + self.buffers
        with code.loop(begin, end) as item:
            segment = code.load_int(get["items"], item * 3) * (arrays + 1)
            first, stop = code.load_int(get["items"], item * 3 + 1), code.load_int(get["items"], item * 3 + 2)
            pointers = [code.load_pointer(get["segments"], segment + i) for i in range(arrays)]
            row = code.address(get["numbers"], code.load_int(get["segments"], segment + arrays) * self.numbers)
            numbers = [code.spread(code.load_real(row, i)) for i in range(self.numbers)]

            def update(place: Value, mask: Value | None, pointers: list[Value], numbers: list[Value]) -> None:
                parameter, gradient, *buffers = (code.load(pointer, place, mask) for pointer in pointers)
                changed, kept = self.formula(code, parameter, gradient, buffers, numbers)
                for value, pointer in zip([changed, *kept], [pointers[0], *pointers[2:]]):
                    code.store(value, pointer, place, mask)

            step = code.lanes * _AT_ONCE
            whole = first + (stop - first) // step * step
            with code.loop(first, whole, step) as i:
                for v in range(_AT_ONCE):
                    update(i + v * code.lanes, None, pointers, numbers)
            with code.loop(whole, stop, code.lanes) as i:
                update(i, code.first_lanes(stop - i), pointers, numbers)
        return program.text()
