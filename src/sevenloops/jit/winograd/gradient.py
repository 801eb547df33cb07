"""The kernels of the weight gradient by Winograd's algorithm.

    V = Bᵀ d B,   M̄ = A dY Aᵀ,   Ū = Σ_tiles Vᵀ · M̄ (a matrix product for each element of a tile),   dg = Gᵀ Ū G

An item is a block of input channels and some panels of output channels, whose sums Ū stay in the second-level cache
while all tiles are transformed and added, a block of tiles at a time. Where there are few such pairs, an item is one
of them and a slice of the tiles; then another kernel adds the slices in their order.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.language import Code, Value
from sevenloops.jit.llvm import Function, Program
from sevenloops.jit.target import Target
from sevenloops.jit.winograd import weights
from sevenloops.jit.winograd.linear import Matrix, multiply_both, transposed
from sevenloops.jit.winograd.product import define_products, most_rows
from sevenloops.jit.winograd.tiles import Image, define_reader
from sevenloops.jit.winograd.weights import Adjacent, store_kernels

__all__ = ["ARGUMENTS", "GradientForm"]

#: What the kernels are given. Lengths and strides are in floats.
ARGUMENTS = Layout(
    ("x", "w", "out", "shared", "scratch"),
    (
        *Image("x", (1, 1)).integers,
        *Image("out", (1, 1)).integers,
        *weights.INTEGERS,
        "tiles",
        "tiles_in_image",
        "tiles_across",
        "tiles_at_once",
        "slices",
        "slice_tiles",
        "terms",
        "terms_at_once",
        "channels",
        "panels",
        "panels_at_once",
        "panel_groups",
        "v_product",
        "v_tile",
        "m_panel",
        "m_product",
        "s_panel",
        "s_product",
        "s_pair",
        "scratch_floats",
        "m_offset",
        "rows_at_once",
    ),
)

Step = Literal["sum", "finish"]


@dataclass(frozen=True, slots=True)
class GradientForm:
    """The kernels of one F(m, r) on both axes.

    Attributes
    ----------
    itemsize, lanes : int
        Bytes of a float, floats of a vector.
    vectors : int
        Vectors of a panel of output channels.
    inputs, kernels, outputs : pair of matrices
        Bᵀ, G and Aᵀ of the rows and of the columns.
    adjacent : {"lanes", "taps", "none"}
        See `sevenloops.jit.winograd.weights`; of the gradient.
    sliced : bool
        Whether "finish" follows.
    """

    itemsize: int
    lanes: int
    vectors: int
    inputs: tuple[Matrix, Matrix]
    kernels: tuple[Matrix, Matrix]
    outputs: tuple[Matrix, Matrix]
    adjacent: Adjacent
    sliced: bool

    def name(self, step: Step) -> str:
        """A name of its own for each kernel."""
        which = hashlib.sha256(repr((self.inputs, self.kernels, self.outputs)).encode()).hexdigest()[:12]
        loading = "sliced" if self.sliced and step == "sum" else self.adjacent
        return f"winograd_gradient_{step}_f{8 * self.itemsize}x{self.lanes}_by_{self.vectors}_{which}_{loading}"

    def load(self, step: Step) -> int:
        """Return the address of a kernel.

        Items: of "sum" slices of pairs (a pair's follow each other); of "finish" some terms of pairs.
        """
        return compiler.load(self.name(step), lambda target: self.write(step, target))

    def write(self, step: Step, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        (self._sum if step == "sum" else self._finish)(program, target, step)
        return program.text()

    # --- parts ----------------------------------------------------------------------------------------------------

    @property
    def _products(self) -> int:
        return len(self.inputs[0]) * len(self.inputs[1])

    @property
    def _width(self) -> int:
        return self.vectors * self.lanes

    def _kernel(self, program: Program, step: Step) -> tuple[Function, dict[str, Value]]:
        code = program.function(self.name(step), "piii", exported=True)
        return code, {name: ARGUMENTS.read(code, code.arguments[0], name) for name in ARGUMENTS.names}

    def _transformer(self, program: Program) -> Function:
        """Write the function that transforms the sums of some terms and a vector of lanes back.

        Its parameters: args, source, scratch, target, lanes, terms.
        """
        code = program.function("transform", "ppppii")
        args, source, scratch, target, lanes, terms = code.arguments
        strides = [ARGUMENTS.read(code, args, key) for key in weights.INTEGERS]
        product = ARGUMENTS.read(code, args, "s_product")
        left, right = (transposed(matrix) for matrix in self.kernels)
        columns = len(right[0])
        store = store_kernels(code, target, scratch, strides, (len(left), len(right)), self.adjacent, lanes)
        with code.loop(0, terms) as term:
            here = code.address(source, term * self._width)
            square = [
                [code.load(here, product * (i * columns + j)) for j in range(columns)] for i in range(len(left[0]))
            ]
            store(term, [value for row in multiply_both(code, left, right, square) for value in row])
        return code

    def _write_back(
        self, code: Function, get: dict[str, Value], transform: Function, sums: Value, scratch: Value, place: "_Place"
    ) -> None:
        """Transform the sums of some terms of a pair back."""
        with code.loop(place.panel, place.last) as p:
            for vector in range(self.vectors):
                channel = p * self._width + vector * self.lanes
                with code.when(channel < get["channels"]):
                    target = code.address(get["w"], channel * get["w_lane"] + place.term * get["w_term"])
                    source = code.address(sums, (p - place.panel) * get["s_panel"] + vector * self.lanes)
                    lanes = get["channels"] - channel
                    code.call(transform, code.arguments[0], source, scratch, target, lanes, place.terms)

    def _pair(self, code: Code, get: dict[str, Value], pair: Value) -> "_Place":
        group, block = pair % get["panel_groups"], pair // get["panel_groups"]
        panel, term = group * get["panels_at_once"], block * get["terms_at_once"]
        last = code.integer(code.minimum(panel + get["panels_at_once"], get["panels"]))
        return _Place(panel, last, term, code.integer(code.minimum(get["terms_at_once"], get["terms"] - term)))

    # --- kernels --------------------------------------------------------------------------------------------------

    def _sum(self, program: Program, target: Target, step: Step) -> None:
        read = define_reader(program, "read", Image("x", self._step), *self.inputs, ARGUMENTS)
        rows, columns = (transposed(matrix) for matrix in self.outputs)
        read_grad = define_reader(program, "read_grad", Image("out", self._step), rows, columns, ARGUMENTS)
        most = most_rows(target.registers, self.vectors)
        multiply = define_products(program, "products", most, self.vectors, self._products, adjacent_rows=True)
        transform = None if self.sliced else self._transformer(program)
        code, get = self._kernel(program, step)
        args, begin, end, thread = code.arguments
        v = code.address(get["scratch"], thread * get["scratch_floats"])
        m = code.address(v, get["m_offset"])
        with code.loop(begin, end) as item:
            place = self._pair(code, get, item // get["slices"])
            slot = item * get["s_pair"] if self.sliced else thread * get["s_pair"]
            sums = code.address(get["shared"], slot)
            first = item % get["slices"] * get["slice_tiles"]
            stop = code.minimum(first + get["slice_tiles"], get["tiles"])
            inputs = code.address(get["x"], place.term)
            padded = (place.terms + (self.lanes - 1)) // self.lanes * self.lanes
            with code.loop(first, stop, get["tiles_at_once"]) as tile:
                count = code.integer(code.minimum(get["tiles_at_once"], stop - tile))
                with code.loop(0, count) as t:
                    here = code.address(v, t * get["v_tile"])
                    code.call(read, args, inputs, here, get["v_product"], tile + t, place.terms, padded)
                    with code.loop(place.panel, place.last) as p:
                        channel = p * self._width
                        channels = code.minimum(get["channels"] - channel, self._width)
                        here = code.address(m, (p - place.panel) * get["m_panel"] + t * self._width)
                        grads = code.address(get["out"], channel)
                        code.call(read_grad, args, grads, here, get["m_product"], tile + t, channels, self._width)
                resume = code.select(tile.equals(first), code.integer(0), code.integer(1))
                with code.loop(0, place.last - place.panel) as p:
                    code.call(
                        multiply,
                        v,
                        get["v_product"],
                        get["v_tile"],
                        code.address(m, p * get["m_panel"]),
                        get["m_product"],
                        code.address(sums, p * get["s_panel"]),
                        get["s_product"],
                        self._width,
                        place.terms,
                        count,
                        resume,
                    )
            if transform is not None:
                self._write_back(code, get, transform, sums, v, place)

    def _finish(self, program: Program, target: Target, step: Step) -> None:
        transform = self._transformer(program)
        code, get = self._kernel(program, step)
        begin, end, thread = code.arguments[1:]
        scratch = code.address(get["scratch"], thread * get["scratch_floats"])
        parts = (get["terms_at_once"] + get["rows_at_once"] - 1) // get["rows_at_once"]
        with code.loop(begin, end) as item:
            pair, row = item // parts, item % parts * get["rows_at_once"]
            whole = self._pair(code, get, pair)
            with code.when(row < whole.terms):
                rows = code.integer(code.minimum(get["rows_at_once"], whole.terms - row))
                offset = pair * get["slices"] * get["s_pair"] + row * self._width
                sums = code.address(get["shared"], offset)
                with code.loop(0, whole.last - whole.panel) as p, code.loop(0, self._products) as product:
                    here = code.address(sums, p * get["s_panel"] + product * get["s_product"])
                    with code.loop(0, rows * self._width, self.lanes) as i:
                        total = code.variable(code.load(here, i))
                        with code.loop(1, get["slices"]) as other:
                            total.set(total.get() + code.load(here, other * get["s_pair"] + i))
                        code.store(total.get(), here, i)
                place = _Place(whole.panel, whole.last, whole.term + row, rows)
                self._write_back(code, get, transform, sums, scratch, place)

    @property
    def _step(self) -> tuple[int, int]:
        return (len(self.outputs[0]), len(self.outputs[1]))


@dataclass(frozen=True, slots=True)
class _Place:
    """Panels from `panel` to `last`, and `terms` input channels from `term` on."""

    panel: Value
    last: Value
    term: Value
    terms: Value
