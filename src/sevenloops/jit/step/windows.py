"""Kernels of pooling where channels are adjacent: each output is the sum or the maximum of a box of inputs.

The box of an output is the product of a run of rows and a run of columns, `step` apart, which tables give for each
row and each column of the outputs: (first, how many). An item is a row of outputs of an image. Gradients are sums of
boxes too: of those windows that a position is in.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "SCATTER_ARGUMENTS", "ScatterForm", "Task", "WindowForm", "smaller"]

#: The largest of a box; with its position in the plane; the sum, divided by a number of the result, or of each input;
#: the sum of those whose index is the position of the result.
Task: TypeAlias = Literal["max", "argmax", "sum", "sum of shares", "sum of chosen"]

ARGUMENTS = Layout(
    ("x", "out", "indices", "divisor", "rows", "columns"),
    # lengths of the planes; `divisor_step` is 0 if one divisor does for all
    ("channels", "in_rows", "in_columns", "out_rows", "out_columns", "row_step", "column_step", "divisor_step"),
)

_VECTORS = 4


@dataclass(frozen=True, slots=True)
class WindowForm:
    """A kernel for one task; indices have `index_size` bytes."""

    task: Task
    itemsize: int
    index_size: int = 8

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"pool_{self.task.replace(' ', '_')}_last_f{8 * self.itemsize}_i{8 * self.index_size}"

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}
        channels, lanes = get["channels"], code.lanes
        several, whole = channels - channels % (_VECTORS * lanes), channels - channels % lanes
        mask = code.first_lanes(channels - whole)
        with code.loop(begin, end) as item:
            image, row = item // get["out_rows"], item % get["out_rows"]
            x_image = get["in_rows"] * get["in_columns"] * channels * image
            with code.loop(0, get["out_columns"]) as column:
                box = _Box(
                    code=code,
                    task=self.task,
                    index_size=self.index_size,
                    get=get,
                    x=code.address(get["x"], x_image),
                    chosen=code.address_of_int(get["indices"], x_image, self.index_size),
                    first_row=code.load_int(get["rows"], row * 2),
                    rows=code.load_int(get["rows"], row * 2 + 1),
                    first_column=code.load_int(get["columns"], column * 2),
                    columns=code.load_int(get["columns"], column * 2 + 1),
                    position=row * get["out_columns"] + column,
                    out=(item * get["out_columns"] + column) * channels,
                )
                with code.loop(0, several, _VECTORS * lanes) as channel:
                    box.write([channel + v * lanes for v in range(_VECTORS)], None)
                with code.loop(several, whole, lanes) as channel:
                    box.write([channel], None)
                with code.when(channels > whole):
                    box.write([whole], mask)
        return program.text()


@dataclass(frozen=True, slots=True)
class _Box:
    """The writing of the code of one output, or of a few vectors of its channels."""

    code: Code
    task: Task
    index_size: int
    get: dict[str, Value]
    x: Value
    chosen: Value
    first_row: Value
    rows: Value
    first_column: Value
    columns: Value
    position: Value
    out: Value

    def write(self, channels: list[Value], mask: Value | None) -> None:
        """Write the code of the vectors that begin at these channels."""
        code, get = self.code, self.get
        largest = self.task in ("max", "argmax")
        totals = [code.variable(code.vector(float("-inf")) if largest else code.zero()) for _ in channels]
        places = []
        if self.task == "argmax":
            first = self.first_row * get["in_columns"] + self.first_column
            nothing = code.integer(-1)
            seen = code.select(self.rows > 0, code.select(self.columns > 0, first, nothing), nothing)
            places = [code.variable(code.spread_bits(seen)) for _ in channels]
        with code.loop(0, self.rows) as u:
            row = self.first_row + u * get["row_step"]
            with code.loop(0, self.columns) as v:
                position = row * get["in_columns"] + self.first_column + v * get["column_step"]
                for i, channel in enumerate(channels):
                    place = position * get["channels"] + channel
                    value, total = code.load(self.x, place, mask), totals[i].get()
                    if not largest:
                        totals[i].set(total + self._term(value, position, place, mask))
                        continue
                    keep = smaller(code, value, total)
                    totals[i].set(code.select(keep, total, value))
                    if places:
                        places[i].set(code.select(keep, places[i].get(), code.spread_bits(position)))
        for i, channel in enumerate(channels):
            result = totals[i].get()
            if self.task == "sum":
                result = result / self._divisor(self.position)
            code.store(result, get["out"], self.out + channel, mask)
            if places:
                code.store_ints(places[i].get(), get["indices"], self.out + channel, mask, self.index_size)

    def _term(self, value: Value, position: Value, place: Value, mask: Value | None) -> Value:
        code = self.code
        if self.task == "sum of shares":
            return value / self._divisor(position)
        if self.task == "sum of chosen":
            chosen = code.load_ints(self.chosen, place, mask, self.index_size)
            return code.select(chosen.equals(code.spread_bits(self.position)), value, code.zero())
        return value

    def _divisor(self, position: Value) -> Value:
        return self.code.spread(self.code.load_real(self.get["divisor"], position * self.get["divisor_step"]))


def smaller(code: Code, value: Value, largest: Value) -> Value:
    """Return where the largest so far stays: NaN is larger than all else, and of equals the first stays."""
    return code.select(largest.equals(largest), value <= largest, value.equals(value))


SCATTER_ARGUMENTS = Layout(("grad", "indices", "out"), ("channels", "in_positions", "out_positions"))


@dataclass(frozen=True, slots=True)
class ScatterForm:
    """The kernel of the maximum's gradient: each number goes to the position in the plane that its index names.

    An item is an image; what no index names is 0.
    """

    itemsize: int

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"pool_scatter_f{8 * self.itemsize}"

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: SCATTER_ARGUMENTS.read(code, args, name) for name in SCATTER_ARGUMENTS.names}
        channels = get["channels"]
        with code.loop(begin, end) as image:
            out = code.address(get["out"], image * (get["in_positions"] * channels))
            for i, mask in code.tiles(get["in_positions"] * channels):
                code.store(code.zero(), out, i, mask)
            start = image * (get["out_positions"] * channels)
            grad, indices = code.address(get["grad"], start), code.address_of_int(get["indices"], start)
            with code.loop(0, get["out_positions"]) as position:
                here = position * channels
                with code.loop(0, channels) as channel:
                    index = code.load_int(indices, here + channel)
                    with code.when(index >= 0):
                        place = index * channels + channel
                        code.store(code.load_real(out, place) + code.load_real(grad, here + channel), out, place)
        return program.text()
