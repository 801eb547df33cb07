"""Kernels of normalisation by channels, where memory is a matrix: sums over it, and what is done with the result.

The array is seen as images of `positions` × `channels` (columns: the channels are adjacent) or of `channels` ×
`positions` (rows). An item is a block of an image's positions, so that it is read from memory once, though it is gone
through twice. Per block and channel the kernels give

    moments     k, Σ (x - k), Σ (x - k)²         with k the mean of the block's first quarter
    products    Σ g, Σ g · (x - c)

and with numbers for each channel, c among them, the others compute

    scaled      (x - c) · a + b
    combined    g · a - ((x - c) · s + b)

From the moments mean and variance follow with few digits lost wherever the mean is: that of a quarter of any values
is at most √3 standard deviations from the mean of all.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Int, Value, Variable
from sevenloops.jit.llvm import Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "INPUTS", "NUMBERS", "RESULTS", "ColumnForm", "Task"]

Task: TypeAlias = Literal["moments", "products", "scaled", "combined"]

#: Arrays that a task reads (x, and g before it), numbers per channel that it is given, sums that it gives.
INPUTS: dict[Task, int] = {"moments": 1, "products": 2, "scaled": 1, "combined": 2}
NUMBERS: dict[Task, int] = {"moments": 0, "products": 1, "scaled": 3, "combined": 4}
RESULTS: dict[Task, int] = {"moments": 3, "products": 2, "scaled": 0, "combined": 0}

#: `numbers` is (images or 1, NUMBERS, channels), `image_numbers` the step from one image to the next; `sums` is
#: (images, blocks, RESULTS, channels).
ARGUMENTS = Layout(
    ("x", "g", "numbers", "sums", "out"), ("channels", "positions", "block", "blocks", "image", "image_numbers")
)

_VECTORS = 4  # of channels at once
_AT_ONCE = 4  # positions at once; sums that do not wait for each other

_SAMPLE = 4


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """A kernel for one task and one order of memory."""

    task: Task
    rows: bool
    itemsize: int

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"channels_{self.task}_{'rows' if self.rows else 'columns'}_f{8 * self.itemsize}"

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}
        with code.loop(begin, end) as item:
            image, block = item // get["blocks"], item % get["blocks"]
            first = block * get["block"]
            work = _Item(
                code=code,
                task=self.task,
                inputs=[code.address(get[name], image * get["image"]) for name in ("g", "x")[-INPUTS[self.task] :]],
                out=code.address(get["out"], image * get["image"]),
                numbers=code.address(get["numbers"], image * get["image_numbers"]),
                sums=code.address(get["sums"], item * (get["channels"] * max(RESULTS[self.task], 1))),
                channels=get["channels"],
                positions=get["positions"],
                first=first,
                count=code.minimum(get["block"], get["positions"] - first),
            )
            work.by_rows() if self.rows else work.by_columns()
        return program.text()


@dataclass(frozen=True, slots=True)
class _Item:
    """The writing of one item's code."""

    code: Code
    task: Task
    inputs: list[Value]
    out: Value
    numbers: Value
    sums: Value
    channels: Value
    positions: Value
    first: Value
    count: Int

    # --- the terms, for one vector --------------------------------------------------------------------------------

    def terms(self, values: list[Value], numbers: list[Value]) -> list[Value]:
        """Return what is added to each sum; `values` are the inputs, `numbers` those of their channels."""
        if self.task == "moments":
            centred = values[0] - numbers[0]
            return [centred, centred * centred]
        g, x = values
        return [g, g * (x - numbers[0])]

    def result(self, values: list[Value], numbers: list[Value]) -> Value:
        """Return the result's vector."""
        code = self.code
        if self.task == "scaled":
            centre, scale, offset = numbers
            return code.fma(values[0] - centre, scale, offset)
        centre, scale, slope, offset = numbers
        g, x = values
        return g * scale - code.fma(x - centre, slope, offset)

    # --- columns --------------------------------------------------------------------------------------------------

    def by_columns(self) -> None:
        """Write the loop over the channels, some vectors at once."""
        code = self.code
        width = code.lanes * _VECTORS
        whole = self.channels - self.channels % width
        with code.loop(0, whole, width) as channel:
            self._columns(channel, [None] * _VECTORS)
        with code.loop(whole, self.channels, code.lanes) as channel:
            self._columns(channel, [code.first_lanes(self.channels - channel)])

    def _columns(self, channel: Value, masks: list[Value | None]) -> None:
        code, places = self.code, [channel + v * self.code.lanes for v in range(len(masks))]

        def load(pointer: Value, position: Int) -> list[Value]:
            start = code.address(pointer, (self.first + position) * self.channels)
            return [code.load(start, place, mask) for place, mask in zip(places, masks)]

        numbers = [
            [code.load(code.address(self.numbers, self.channels * i), place, mask) for i in range(NUMBERS[self.task])]
            for place, mask in zip(places, masks)
        ]
        if not RESULTS[self.task]:
            with code.loop(0, self.count) as position:
                rows = [load(pointer, position) for pointer in self.inputs]
                start = code.address(self.out, (self.first + position) * self.channels)
                for v, (place, mask) in enumerate(zip(places, masks)):
                    code.store(self.result([row[v] for row in rows], numbers[v]), start, place, mask)
            return
        results: list[list[Value]] = []
        if self.task == "moments":
            sample = code.maximum(self.count // _SAMPLE if not isinstance(self.count, int) else 1, 1)
            totals = self._summed(sample, lambda position: [[v] for v in load(self.inputs[0], position)], masks, 1)
            share = code.spread(_reciprocal(code, code.integer(sample)))
            numbers = [[total[0] * share] for total in totals]
            results.append([number[0] for number in numbers])

        def terms(position: Int) -> list[list[Value]]:
            rows = [load(pointer, position) for pointer in self.inputs]
            return [self.terms([row[v] for row in rows], numbers[v]) for v in range(len(masks))]

        totals = self._summed(code.integer(self.count), terms, masks, 2)
        results += [[total[i] for total in totals] for i in range(2)]
        for i, vectors in enumerate(results):
            start = code.address(self.sums, self.channels * i)
            for vector, place, mask in zip(vectors, places, masks):
                code.store(vector, start, place, mask)

    def _summed(self, count: Int, terms, masks, sums: int) -> list[list[Value]]:  # type: ignore[no-untyped-def]
        """Return Σ terms(position), of each vector of channels the sums; several positions at once."""
        code = self.code
        at_once = _AT_ONCE if len(masks) * sums * _AT_ONCE <= 16 else 2
        totals = [[[code.variable(code.zero()) for _ in range(sums)] for _ in masks] for _ in range(at_once)]
        whole = count - count % at_once
        with code.loop(0, whole, at_once) as position:
            for number, places in enumerate(totals):
                _add(terms(position + number), places)
        with code.loop(whole, count) as position:
            _add(terms(position), totals[0])
        return [[_sum([places[v][i].get() for places in totals]) for i in range(sums)] for v in range(len(masks))]

    # --- rows -----------------------------------------------------------------------------------------------------

    def by_rows(self) -> None:
        """Write the loop over the channels, each a row."""
        with self.code.loop(0, self.channels) as channel:
            self._row(channel)

    def _row(self, channel: Value) -> None:
        code = self.code
        start = channel * self.positions + self.first
        inputs = [code.address(pointer, start) for pointer in self.inputs]
        numbers = [
            code.spread(code.load_real(self.numbers, self.channels * i + channel)) for i in range(NUMBERS[self.task])
        ]
        if not RESULTS[self.task]:
            out = code.address(self.out, start)
            step = code.lanes * _AT_ONCE
            whole = self.count - self.count % step
            with code.loop(0, whole, step) as position:
                places = [position + v * code.lanes for v in range(_AT_ONCE)]
                values = [[code.load(pointer, place) for pointer in inputs] for place in places]
                for place, vectors in zip(places, values):
                    code.store(self.result(vectors, numbers), out, place)
            with code.loop(whole, self.count, code.lanes) as position:
                mask = code.first_lanes(self.count - position)
                vectors = [code.load(pointer, position, mask) for pointer in inputs]
                code.store(self.result(vectors, numbers), out, position, mask)
            return
        results: list[Value] = []
        if self.task == "moments":
            sample = code.maximum(self.count // _SAMPLE if not isinstance(self.count, int) else 1, 1)
            (total,) = self._row_sums(inputs, code.integer(sample), lambda values, mask: values, 1)
            number = total * _reciprocal(code, code.integer(sample))
            results.append(number)
            numbers = [code.spread(number)]

        def terms(values: list[Value], mask: Value | None) -> list[Value]:
            found = self.terms(values, numbers)
            return found if mask is None else [code.select(mask, term, code.zero()) for term in found]

        results += self._row_sums(inputs, code.integer(self.count), terms, 2)
        for i, value in enumerate(results):
            code.store(value, self.sums, self.channels * i + channel)

    def _row_sums(self, inputs: list[Value], count: Value, terms, sums: int) -> list[Value]:  # type: ignore[no-untyped-def]
        code = self.code
        totals = [[code.variable(code.zero()) for _ in range(sums)] for _ in range(_AT_ONCE)]
        step = code.lanes * _AT_ONCE
        whole = count - count % step
        with code.loop(0, whole, step) as position:
            for v, places in enumerate(totals):
                values = [code.load(pointer, position + v * code.lanes) for pointer in inputs]
                _add([terms(values, None)], [places])
        with code.loop(whole, count, code.lanes) as position:
            mask = code.first_lanes(count - position)
            values = [code.load(pointer, position, mask) for pointer in inputs]
            _add([terms(values, mask)], [totals[0]])
        return [code.sum_lanes(_sum([places[i].get() for places in totals])) for i in range(sums)]


def _add(terms: list[list[Value]], places: list[list[Variable]]) -> None:
    for found, variables in zip(terms, places):
        for term, variable in zip(found, variables):
            variable.set(variable.get() + term)


def _sum(values: list[Value]) -> Value:
    while len(values) > 1:
        values = [a + b for a, b in zip(values[::2], values[1::2])] + ([values[-1]] if len(values) % 2 else [])
    return values[0]


def _reciprocal(code: Code, count: Value) -> Value:
    return code.number(1.0) / code.real(count)
