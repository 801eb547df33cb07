"""The kernel of few rows by a large matrix: out[m, o] = start[o] + Σ_i x[m, i] · w[o, i], both read along i.

With so few rows that each weight is used once or twice, packing the weights would take longer than using them. Here
they are read once, in the order in which they lie, as fast as memory gives them.
"""

from dataclasses import dataclass

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Int
from sevenloops.jit.llvm import Function, Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "DotForm"]

#: What the kernel is given; an item is a block of rows of w.
ARGUMENTS = Layout(
    ("x", "w", "start", "out"), ("rows", "columns", "terms", "x_row", "w_row", "out_row", "out_column")
)


@dataclass(frozen=True, slots=True)
class DotForm:
    """What the kernel is written for.

    Attributes
    ----------
    itemsize, lanes : int
    rows, last_rows : int
        Rows of x in a tile, and in the last one.
    at_once : int
        Rows of w in a tile, and in an item.
    """

    itemsize: int
    lanes: int
    rows: int
    last_rows: int
    at_once: int

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return f"dot_f{8 * self.itemsize}x{self.lanes}_{self.rows}_{self.last_rows}_by_{self.at_once}"

    def _tile(self, program: Program, rows: int, columns: int) -> Function:
        code = program.function(f"tile_{rows}_{columns}", "pippiipii")
        x, x_row, w, start, w_row, terms, out, out_row, out_column = code.arguments
        places = [(m, o) for m in range(rows) for o in range(columns)]
        sums = {place: code.variable(code.zero()) for place in places}
        for i, mask in code.tiles(terms):
            weights = [code.load(w, w_row * o + i, mask) for o in range(columns)]
            for m in range(rows):
                value = code.load(x, x_row * m + i, mask)
                for o in range(columns):
                    sums[m, o].set(code.fma(value, weights[o], sums[m, o].get()))
        for m, o in places:
            total = code.sum_lanes(sums[m, o].get()) + code.load_real(start, o)
            code.store(total, out, out_row * m + out_column * o)
        return code

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        tiles = {
            (rows, columns): self._tile(program, rows, columns)
            for rows in {self.rows, self.last_rows}
            for columns in {self.at_once, 1}
        }
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, _ = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}

        def block(column: Int, columns: int) -> None:
            w = code.address(get["w"], get["w_row"] * column)
            start = code.address(get["start"], column)

            def tile(row: Int, rows: int) -> None:
                code.call(
                    tiles[rows, columns],
                    code.address(get["x"], get["x_row"] * row),
                    get["x_row"],
                    w,
                    start,
                    get["w_row"],
                    get["terms"],
                    code.address(get["out"], get["out_row"] * row + get["out_column"] * column),
                    get["out_row"],
                    get["out_column"],
                )

            full = get["rows"] - self.last_rows
            with code.loop(0, full, self.rows) as row:
                tile(row, self.rows)
            tile(full, self.last_rows)

        with code.loop(begin, end) as item:
            first = item * self.at_once
            left = get["columns"] - first
            with code.when(left >= self.at_once):
                block(first, self.at_once)
            with code.when(left < self.at_once), code.loop(first, get["columns"]) as column:
                block(column, 1)
        return program.text()

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)
