"""Kernels that go through rows of adjacent numbers: softmax and its relatives, and normalisation of each row.

An item is a block of rows. A row is gone through two or three times, and is in the first-level cache from the second
time on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sevenloops.jit import compiler, mathematics
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "RowForm", "Task"]

Task: TypeAlias = Literal[
    "softmax",
    "softmin",
    "log_softmax",
    "softmax_grad",
    "softmin_grad",
    "log_softmax_grad",
    "exponentials",  # exp(x - largest), their sum, and x - largest at the label
    "normalise",
    "normalise_centred",
    "normalise_grad",
    "normalise_centred_grad",
]

#: `numbers` are three per row, which normalisation writes, its gradient reads, and "exponentials" writes two of;
#: `constants` are eps; `sums` are (blocks, 2, length), or 0.
ARGUMENTS = Layout(
    ("x", "g", "weight", "bias", "labels", "numbers", "constants", "sums", "out"),
    ("rows", "length", "block", "has_weight", "has_bias", "has_sums", "has_out"),
)

_AT_ONCE = 4

#: What is done with a vector: ``step(place, mask)`` returns the terms of some sums.
Step: TypeAlias = Callable[[Value, Value | None], list[Value]]


@dataclass(frozen=True, slots=True)
class RowForm:
    """A kernel for one task."""

    task: Task
    itemsize: int

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"rows_{self.task}_f{8 * self.itemsize}"

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}
        length = get["length"]
        with code.loop(begin, end) as item:
            first = item * get["block"]
            sums = code.address(get["sums"], item * length * 2)
            if self.task.startswith("normalise") and self.task.endswith("grad"):
                with code.when(get["has_sums"] > 0):
                    for i, mask in code.tiles(length * 2):
                        code.store(code.zero(), sums, i, mask)
            with code.loop(first, code.minimum(first + get["block"], get["rows"])) as row:
                here = dict(get)
                for name in ("x", "g", "out"):
                    here[name] = code.address(get[name], row * length)
                here["numbers"] = code.address(get["numbers"], row * 3)
                here["sums"], here["row"] = sums, row
                _Row(code, here, length).write(self.task)
        return program.text()


@dataclass(frozen=True, slots=True)
class _Row:
    """The writing of one row's code."""

    code: Code
    get: dict[str, Value]
    length: Value

    def write(self, task: Task) -> None:
        """Write a task."""
        if task in ("softmax", "softmin", "log_softmax", "exponentials"):
            self._forward(task)
        elif task.startswith("normalise"):
            centred = "centred" in task
            self._normalise_grad(centred) if task.endswith("grad") else self._normalise(centred)
        else:
            self._gradient(task)

    def _x(self, place: Value, mask: Value | None) -> Value:
        return self.code.load(self.get["x"], place, mask)

    def _g(self, place: Value, mask: Value | None) -> Value:
        return self.code.load(self.get["g"], place, mask)

    def _each(self, write: Callable[[Value, Value | None], None]) -> None:
        for i, mask in self.code.tiles(self.length):
            write(i, mask)

    def _sums(self, step: Step, count: int) -> list[Value]:
        """Return Σ of each term, spread; several vectors are under way at once."""
        code = self.code
        totals = [[code.variable(code.zero()) for _ in range(count)] for _ in range(_AT_ONCE)]
        width = code.lanes * _AT_ONCE
        whole = self.length - self.length % width

        def add(place: Value, mask: Value | None, places: int) -> None:
            for term, total in zip(step(place, mask), totals[places]):
                total.set(total.get() + (term if mask is None else code.select(mask, term, code.zero())))

        with code.loop(0, whole, width) as i:
            for v in range(_AT_ONCE):
                add(i + v * code.lanes, None, v)
        with code.loop(whole, self.length, code.lanes) as i:
            add(i, code.first_lanes(self.length - i), 0)
        results = []
        for k in range(count):
            a, b, c, d = (total[k].get() for total in totals)
            results.append(code.spread(code.sum_lanes((a + b) + (c + d))))
        return results

    # --- softmax ------------------------------------------------------------------------------------------------

    def _forward(self, task: Task) -> None:
        code, out = self.code, self.get["out"]

        def value(place: Value, mask: Value | None) -> Value:
            x = self._x(place, mask)
            return code.zero() - x if task == "softmin" else x

        lowest = code.vector(float("-inf"))
        largest = code.variable(lowest)

        def compare(place: Value, mask: Value | None) -> None:
            x = value(place, mask)
            x = x if mask is None else code.select(mask, x, lowest)
            largest.set(code.select(x > largest.get(), x, largest.get()))

        self._each(compare)
        top = code.spread(code.largest_lane(largest.get()))

        def exponential(place: Value, mask: Value | None) -> list[Value]:
            e = mathematics.exp(code, value(place, mask) - top)
            if task != "log_softmax":
                code.store(e, out, place, mask)
            return [e]

        (total,) = self._sums(exponential, 1)
        if task == "exponentials":
            one = code.first_lanes(1)
            code.store(total, self.get["numbers"], 0, one)
            label = code.load_int(self.get["labels"], self.get["row"])
            at_label = code.spread(code.load_real(self.get["x"], label)) - top
            code.store(at_label, self.get["numbers"], 1, one)
        elif task == "log_softmax":
            logarithm = mathematics.log(code, total)
            self._each(lambda place, mask: code.store(value(place, mask) - top - logarithm, out, place, mask))
        else:
            self._each(lambda place, mask: code.store(code.load(out, place, mask) / total, out, place, mask))

    def _gradient(self, task: Task) -> None:
        code, out = self.code, self.get["out"]
        if task == "log_softmax_grad":
            (total,) = self._sums(lambda place, mask: [self._g(place, mask)], 1)

            def result(place: Value, mask: Value | None) -> Value:
                return self._g(place, mask) - mathematics.exp(code, self._x(place, mask)) * total
        else:
            (inner,) = self._sums(lambda place, mask: [self._g(place, mask) * self._x(place, mask)], 1)

            def result(place: Value, mask: Value | None) -> Value:
                g = self._g(place, mask)
                return (g - inner if task == "softmax_grad" else inner - g) * self._x(place, mask)

        self._each(lambda place, mask: code.store(result(place, mask), out, place, mask))

    # --- normalisation ------------------------------------------------------------------------------------------

    def _share(self) -> Value:
        code = self.code
        return code.spread(code.number(1.0) / code.real(self.length))

    def _optional(self, name: str, otherwise: float, place: Value, mask: Value | None) -> Value:
        """Return numbers of the weight or the bias, or a constant where there is none."""
        code = self.code
        value = code.variable(code.vector(otherwise))
        with code.when(self.get[f"has_{name}"] > 0):
            value.set(code.load(self.get[name], place, mask))
        return value.get()

    def _normalise(self, centred: bool) -> None:
        # The mean m rounded is c; d = x - c is small and exact, r = avg d, variance = avg d² - r².
        code, numbers = self.code, self.get["numbers"]
        share, one = self._share(), code.first_lanes(1)
        centre = rest = code.zero()
        if centred:
            (total,) = self._sums(lambda place, mask: [self._x(place, mask)], 1)
            centre = total * share

        def terms(place: Value, mask: Value | None) -> list[Value]:
            d = self._x(place, mask) - centre
            return [d, d * d]

        total, squares = self._sums(terms, 2)
        if centred:
            rest = total * share
        variance = squares * share - rest * rest
        variance = code.select(variance < code.zero(), code.zero(), variance)
        for i, value in enumerate((centre, rest, variance)):
            code.store(value, numbers, i, one)
        eps = code.spread(code.load_real(self.get["constants"]))
        scale = code.vector(1.0) / code.root(variance + eps)

        def write(place: Value, mask: Value | None) -> None:
            normal = ((self._x(place, mask) - centre) - rest) * scale
            weight, bias = self._optional("weight", 1.0, place, mask), self._optional("bias", 0.0, place, mask)
            code.store(code.fma(normal, weight, bias), self.get["out"], place, mask)

        self._each(write)

    def _normalise_grad(self, centred: bool) -> None:
        # x̂ = (x - c)·rstd + offset; dx = rstd·(h - avg h - x̂·avg(h·x̂)), h = g·weight
        code, numbers = self.code, self.get["numbers"]
        centre, scale, offset = (code.spread(code.load_real(numbers, i)) for i in range(3))

        def normal(place: Value, mask: Value | None) -> Value:
            return code.fma(self._x(place, mask) - centre, scale, offset)

        def upstream(place: Value, mask: Value | None) -> Value:
            return self._g(place, mask) * self._optional("weight", 1.0, place, mask)

        with code.when(self.get["has_sums"] > 0):
            second = code.address(self.get["sums"], self.length)

            def add(place: Value, mask: Value | None) -> None:
                g = self._g(place, mask)
                by_weight = code.load(self.get["sums"], place, mask) + g * normal(place, mask)
                code.store(by_weight, self.get["sums"], place, mask)
                code.store(code.load(second, place, mask) + g, second, place, mask)

            self._each(add)
        with code.when(self.get["has_out"] > 0):
            share = self._share()

            def terms(place: Value, mask: Value | None) -> list[Value]:
                h = upstream(place, mask)
                return [h, h * normal(place, mask)]

            total, products = self._sums(terms, 2)
            mean = total * share if centred else code.zero()
            slope = products * share

            def write(place: Value, mask: Value | None) -> None:
                dx = (upstream(place, mask) - mean - normal(place, mask) * slope) * scale
                code.store(dx, self.get["out"], place, mask)

            self._each(write)
