"""Kernels of pooling: each output is the sum or the maximum of a box of inputs, whatever the geometry.

The box of an output is the product of a run of rows and a run of columns, `step` apart, which tables give for each
row and each column of the outputs: (first, how many). An item is a row of outputs of an image. Where channels are
adjacent they are the lanes; else each channel is an image of one channel, and numbers are taken one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Int, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "SCATTER_ARGUMENTS", "ScatterForm", "Task", "WindowForm"]

#: The largest of a box; with its position in the plane; the sum divided by a number of the result, or of each input.
Task: TypeAlias = Literal["max", "argmax", "sum", "sum of shares"]

ARGUMENTS = Layout(
    ("x", "out", "indices", "divisor", "rows", "columns"),
    # lengths of the planes; `divisor_step` is 0 if one divisor does for all
    ("channels", "in_rows", "in_columns", "out_rows", "out_columns", "row_step", "column_step", "divisor_step"),
)

_VECTORS = 4


@dataclass(frozen=True, slots=True)
class WindowForm:
    """A kernel for one task; `scalar` where channels are not adjacent."""

    task: Task
    scalar: bool
    itemsize: int

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"pool_{self.task.replace(' ', '_')}_{'plane' if self.scalar else 'last'}_f{8 * self.itemsize}"

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize)
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}
        channels = code.integer(1) if self.scalar else get["channels"]
        width = _VECTORS * code.lanes
        with code.loop(begin, end) as item:
            image, row = item // get["out_rows"], item % get["out_rows"]
            first_row = code.load_int(get["rows"], row * 2)
            rows = code.load_int(get["rows"], row * 2 + 1)
            x_image = code.address(get["x"], image * (get["in_rows"] * get["in_columns"] * channels))
            out_row = item * get["out_columns"]
            with code.loop(0, get["out_columns"]) as column:
                box = _Box(
                    code=code,
                    get=get,
                    channels=channels,
                    x=x_image,
                    first_row=first_row,
                    rows=rows,
                    first_column=code.load_int(get["columns"], column * 2),
                    columns=code.load_int(get["columns"], column * 2 + 1),
                    out=(out_row + column) * channels,
                    divisor=(row * get["out_columns"] + column) * get["divisor_step"],
                )
                if self.scalar:
                    self._box(box, [_Part.scalar(code)])
                else:
                    whole = channels - channels % width
                    with code.loop(0, whole, width) as channel:
                        self._box(box, [_Part.vector(code, channel + v * code.lanes, None) for v in range(_VECTORS)])
                    with code.loop(whole, channels, code.lanes) as channel:
                        self._box(box, [_Part.vector(code, channel, code.first_lanes(channels - channel))])
        return program.text()

    def _box(self, box: "_Box", parts: list["_Part"]) -> None:
        code, get = box.code, box.get
        largest = self.task in ("max", "argmax")
        starts = [part.number(float("-inf") if largest else 0.0) for part in parts]
        totals = [code.variable(start) for start in starts]
        places = []
        if self.task == "argmax":
            first = box.first_row * get["in_columns"] + box.first_column
            seen = code.select(box.rows > 0, code.select(box.columns > 0, first, code.integer(-1)), code.integer(-1))
            places = [code.variable(part.position(seen)) for part in parts]
        with code.loop(0, box.rows) as u:
            row = box.first_row + u * get["row_step"]
            with code.loop(0, box.columns) as v:
                position = row * get["in_columns"] + box.first_column + v * get["column_step"]
                pixel = code.address(box.x, position * box.channels)
                for i, part in enumerate(parts):
                    value = part.load(pixel)
                    total = totals[i].get()
                    if not largest:
                        if self.task == "sum of shares":
                            value = value / part.spread(
                                code.load_real(get["divisor"], position * get["divisor_step"])
                            )
                        totals[i].set(total + value)
                        continue
                    # NaN is larger than all else, and of equals the first stays
                    keep = code.select(total.equals(total), value <= total, value.equals(value))
                    totals[i].set(code.select(keep, total, value))
                    if places:
                        places[i].set(code.select(keep, places[i].get(), part.position(position)))
        for i, part in enumerate(parts):
            result = totals[i].get()
            if self.task == "sum":
                result = result / part.spread(code.load_real(get["divisor"], box.divisor))
            part.store(result, code.address(get["out"], box.out))
            if places:
                part.store_position(places[i].get(), code.address_of_int(get["indices"], box.out))


@dataclass(frozen=True, slots=True)
class _Box:
    """Where the box of an output is, and the output's place."""

    code: Code
    get: dict[str, Value]
    channels: Value
    x: Value
    first_row: Value
    rows: Value
    first_column: Value
    columns: Value
    out: Value
    divisor: Value


@dataclass(frozen=True, slots=True)
class _Part:
    """How some channels of a pixel are dealt with: one, or a vector."""

    number: Callable[[float], Value]
    spread: Callable[[Value], Value]
    load: Callable[[Value], Value]
    store: Callable[[Value, Value], None]
    position: Callable[[Value], Value]
    store_position: Callable[[Value, Value], None]

    @classmethod
    def scalar(cls, code: Code) -> "_Part":
        return cls(code.number, lambda v: v, code.load_real, code.store, lambda v: v, code.store_int)

    @classmethod
    def vector(cls, code: Code, place: Int, mask: Value | None) -> "_Part":
        return cls(
            code.vector,
            code.spread,
            lambda pointer: code.load(pointer, place, mask),
            lambda value, pointer: code.store(value, pointer, place, mask),
            code.spread_bits,
            lambda value, pointer: code.store_ints(value, pointer, place, mask),
        )


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
