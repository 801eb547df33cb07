"""Kernels of pooling where positions are adjacent: as `sevenloops.jit.step.windows`, but lanes are a plane's outputs.

A table gives for each output of a plane its box: the place of its first input, how many rows and how many columns. An
item is a plane, a channel of an image.
"""

from dataclasses import dataclass

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.step.windows import Task, smaller
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "PlaneForm"]

#: `first`, `rows` and `columns` are integers of a float's size, one for each output of a plane; `most_rows` and
#: `most_columns` the largest of them; the steps are in elements.
ARGUMENTS = Layout(
    ("x", "out", "indices", "divisor", "first", "rows", "columns"),
    ("inputs", "outputs", "most_rows", "most_columns", "row_step", "column_step", "divisor_step"),
)


@dataclass(frozen=True, slots=True)
class PlaneForm:
    """A kernel for one task; indices have `index_size` bytes."""

    task: Task
    itemsize: int
    index_size: int = 8

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"pool_{self.task.replace(' ', '_')}_planes_f{8 * self.itemsize}_i{8 * self.index_size}"

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
            plane = dict(get)
            plane["x"] = code.address(get["x"], item * get["inputs"])
            plane["out"] = code.address(get["out"], item * get["outputs"])
            which = get["inputs"] if self.task == "sum of chosen" else get["outputs"]
            plane["indices"] = code.address_of_int(get["indices"], item * which, self.index_size)
            for i, mask in code.tiles(get["outputs"]):
                self._outputs(code, plane, i, mask)
        return program.text()

    def _outputs(self, code: Code, get: dict[str, Value], i: Value, mask: Value | None) -> None:
        """Write the code of a vector of outputs; those beyond the mask have no rows."""
        none = code.first_lanes(0)
        first, rows, columns = (code.bits(code.load(get[name], i, mask)) for name in ("first", "rows", "columns"))
        nothing = code.pattern(0)
        largest = self.task in ("max", "argmax")
        total = code.variable(code.vector(float("-inf")) if largest else code.zero())
        seen = code.select(nothing < rows, code.select(nothing < columns, first, code.pattern(-1)), code.pattern(-1))
        place = code.variable(seen)
        own = code.spread_bits(i) + code.lane_numbers()
        with code.loop(0, get["most_rows"]) as u:
            in_row = code.spread_bits(u) < rows
            row = u * get["row_step"]
            with code.loop(0, get["most_columns"]) as v:
                inside = code.select(in_row, code.spread_bits(v) < columns, none)
                position = first + code.spread_bits(row + v * get["column_step"])
                value = code.gather(get["x"], position, inside)
                before = total.get()
                if largest:
                    keep = smaller(code, value, before)
                    take = code.select(inside, code.select(keep, none, inside), none)
                    total.set(code.select(take, value, before))
                    place.set(code.select(take, position, place.get()))
                else:
                    total.set(before + self._term(code, get, value, position, inside, own))
        result = total.get()
        if self.task == "sum":
            by = code.variable(code.spread(code.load_real(get["divisor"])))
            with code.when(get["divisor_step"] > 0):
                by.set(code.load(get["divisor"], i, mask))
            result = result / by.get()
        code.store(result, get["out"], i, mask)
        if self.task == "argmax":
            code.store_ints(place.get(), get["indices"], i, mask, self.index_size)

    def _term(
        self, code: Code, get: dict[str, Value], value: Value, position: Value, inside: Value, own: Value
    ) -> Value:
        if self.task == "sum of shares":
            by = code.gather(get["divisor"], position, inside)
            return value / code.select(inside, by, code.vector(1.0))
        if self.task == "sum of chosen":
            chosen = code.gather_ints(get["indices"], position, inside, self.index_size)
            chosen_here = code.select(inside, chosen.equals(own), code.first_lanes(0))
            return code.select(chosen_here, value, code.zero())
        return value
