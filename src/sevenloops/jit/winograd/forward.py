"""The kernels of Winograd's convolution and, with other weights, of its input gradient.

    V = Bᵀ d B,   U = G g Gᵀ,   M = V · U (a matrix product for each element of a tile),   Y = Aᵀ M A + bias

There are two orders. "tiles": the weights are transformed first, into memory; an item is a block of tiles, whose V
and M stay in the second-level cache. "channels", for few tiles and many channels, whose transformed weights would be
the most of what there is to move: all tiles are transformed first; an item is a group of output channels, which
transforms its part of the weights, some terms at a time, and multiplies all tiles by it while it is in cache.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.ending import ENDINGS, NOTHING, Ending
from sevenloops.jit.language import Code, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.target import Target
from sevenloops.jit.winograd import weights
from sevenloops.jit.winograd.linear import Matrix
from sevenloops.jit.winograd.product import define_products, most_rows
from sevenloops.jit.winograd.tiles import Image, define_reader, define_writer
from sevenloops.jit.winograd.weights import Adjacent, define_weights

__all__ = ["ARGUMENTS", "ForwardForm", "Step"]

#: What the kernels are given. Lengths and strides are in floats.
ARGUMENTS = Layout(
    ("x", "w", *ENDINGS, "out", "shared", "scratch"),
    (
        *Image("x", (1, 1)).integers,
        *Image("out", (1, 1)).integers,
        *weights.INTEGERS,
        "tiles",
        "tiles_in_image",
        "tiles_across",
        "tiles_at_once",
        "terms",
        "terms_at_once",
        "channels",
        "panels",
        "panels_at_once",
        "u_panel",
        "u_product",
        "v_block",
        "v_product",
        "v_tile",
        "m_block",
        "m_product",
        "m_tile",
        "scratch_floats",
        "m_offset",
        "u_offset",
    ),
)

Step = Literal["tiles", "channels", "read", "weights"]


@dataclass(frozen=True, slots=True)
class ForwardForm:
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
        See `sevenloops.jit.winograd.weights`.
    flipped : bool
        Whether kernels are flipped, as the input gradient needs them.
    ending : Ending
        What follows the sum.
    """

    itemsize: int
    lanes: int
    vectors: int
    inputs: tuple[Matrix, Matrix]
    kernels: tuple[Matrix, Matrix]
    outputs: tuple[Matrix, Matrix]
    adjacent: Adjacent = "taps"
    flipped: bool = False
    ending: Ending = NOTHING

    def name(self, step: Step) -> str:
        """A name of its own for each kernel."""
        which = hashlib.sha256(repr((self.inputs, self.kernels, self.outputs)).encode()).hexdigest()[:12]
        loading = f"_{self.adjacent}{'_flipped' if self.flipped else ''}" if step in ("channels", "weights") else ""
        ending = f"_{self.ending.name}" if step in ("tiles", "channels") else ""
        return f"winograd_{step}_f{8 * self.itemsize}x{self.lanes}_by_{self.vectors}_{which}{loading}{ending}"

    def load(self, step: Step) -> int:
        """Return the address of a kernel."""
        return compiler.load(self.name(step), lambda target: self.write(step, target))

    def write(self, step: Step, target: Target) -> str:
        """Return the program.

        Items: of "tiles" blocks of tiles; of "channels" groups of panels; of "read" tiles; of "weights" vectors of
        output channels, for each block of terms.
        """
        program = Program(target, self.itemsize, self.lanes)
        writer = {
            "tiles": self._tiles,
            "channels": self._channels,
            "read": self._read,
            "weights": self._weights,
        }[step]
        writer(program, step)
        return program.text()

    # --- parts ----------------------------------------------------------------------------------------------------

    @property
    def _products(self) -> int:
        return len(self.inputs[0]) * len(self.inputs[1])

    @property
    def _width(self) -> int:
        return self.vectors * self.lanes

    @property
    def _step(self) -> tuple[int, int]:
        return (len(self.outputs[0]), len(self.outputs[1]))

    def _kernel(self, program: Program, step: Step):  # type: ignore[no-untyped-def]
        code = program.function(self.name(step), "piii", exported=True)
        args = code.arguments[0]
        return code, {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}

    def _reader(self, program: Program):  # type: ignore[no-untyped-def]
        return define_reader(program, "read", Image("x", self._step), *self.inputs, ARGUMENTS)

    def _writer(self, program: Program):  # type: ignore[no-untyped-def]
        return define_writer(program, "write", Image("out", self._step), *self.outputs, self.ending, ARGUMENTS)

    def _multiplier(self, program: Program):  # type: ignore[no-untyped-def]
        most = most_rows(program.target.registers, self.vectors)
        return define_products(program, "products", most, self.vectors, self._products, adjacent_rows=False)

    def _transformer(self, program: Program):  # type: ignore[no-untyped-def]
        return define_weights(
            program, "transform", *self.kernels, self.adjacent, self.flipped, self._width, ARGUMENTS
        )

    def _padded(self, code: Code, count: Value) -> Value:
        return (count + (self.lanes - 1)) // self.lanes * self.lanes

    # --- kernels --------------------------------------------------------------------------------------------------

    def _tiles(self, program: Program, step: Step) -> None:
        read, multiply, write = self._reader(program), self._multiplier(program), self._writer(program)
        code, get = self._kernel(program, step)
        args, begin, end, thread = code.arguments
        v = code.address(get["scratch"], thread * get["scratch_floats"])
        m = code.address(v, get["m_offset"])
        padded = self._padded(code, get["terms"])
        with code.loop(begin, end) as item:
            first = item * get["tiles_at_once"]
            count = code.minimum(get["tiles_at_once"], get["tiles"] - first)
            with code.loop(0, count) as t:
                place = code.address(v, t * get["v_tile"])
                code.call(read, args, get["x"], place, get["v_product"], first + t, get["terms"], padded)
            with code.loop(0, get["panels"], get["panels_at_once"]) as panel:
                last = code.minimum(panel + get["panels_at_once"], get["panels"])
                with code.loop(panel, last) as p:
                    code.call(
                        multiply,
                        v,
                        get["v_product"],
                        get["v_tile"],
                        code.address(get["shared"], p * get["u_panel"]),
                        get["u_product"],
                        code.address(m, (p - panel) * self._width),
                        get["m_product"],
                        get["m_tile"],
                        count,
                        get["terms"],
                        0,
                    )
                self._finish(code, get, write, m, first, count, panel, last)

    def _finish(self, code, get, write, m, first, count, panel, last) -> None:  # type: ignore[no-untyped-def]
        """Write the tiles of a block for some panels."""
        channel = panel * self._width
        channels = code.minimum(last * self._width, get["channels"]) - channel
        out, *others = (code.address(get[name], channel) for name in ("out", *ENDINGS))
        with code.loop(0, count) as t:
            source = code.address(m, t * get["m_tile"])
            code.call(write, code.arguments[0], source, get["m_product"], out, *others, first + t, channels)

    def _channels(self, program: Program, step: Step) -> None:
        multiply, write, transform = self._multiplier(program), self._writer(program), self._transformer(program)
        code, get = self._kernel(program, step)
        args, begin, end, thread = code.arguments
        gathered = code.address(get["scratch"], thread * get["scratch_floats"])
        m, u = code.address(gathered, get["m_offset"]), code.address(gathered, get["u_offset"])
        with code.loop(begin, end) as item:
            panel = item * get["panels_at_once"]
            last = code.minimum(panel + get["panels_at_once"], get["panels"])
            with code.loop(0, get["terms"], get["terms_at_once"]) as term:
                terms = code.minimum(get["terms_at_once"], get["terms"] - term)
                resume = code.select(term.equals(0), code.integer(0), code.integer(1))
                with code.loop(panel, last) as p:
                    for vector in range(self.vectors):
                        channel = p * self._width + vector * self.lanes
                        source = code.address(get["w"], channel * get["w_lane"] + term * get["w_term"])
                        target = code.address(u, (p - panel) * get["u_panel"] + vector * self.lanes)
                        lanes = get["channels"] - channel
                        code.call(transform, args, source, gathered, target, get["u_product"], lanes, terms)
                with code.loop(0, get["tiles"], get["tiles_at_once"]) as first:
                    count = code.minimum(get["tiles_at_once"], get["tiles"] - first)
                    block = first // get["tiles_at_once"]
                    here = code.address(m, block * get["m_block"])
                    with code.loop(panel, last) as p:
                        code.call(
                            multiply,
                            code.address(get["shared"], block * get["v_block"] + term),
                            get["v_product"],
                            get["v_tile"],
                            code.address(u, (p - panel) * get["u_panel"]),
                            get["u_product"],
                            code.address(here, (p - panel) * self._width),
                            get["m_product"],
                            get["m_tile"],
                            count,
                            terms,
                            resume,
                        )
                    with code.when((term + terms).equals(get["terms"])):
                        self._finish(code, get, write, here, first, count, panel, last)

    def _read(self, program: Program, step: Step) -> None:
        read = self._reader(program)
        code, get = self._kernel(program, step)
        args, begin, end, _ = code.arguments
        padded = self._padded(code, get["terms"])
        with code.loop(begin, end) as tile:
            block, within = tile // get["tiles_at_once"], tile % get["tiles_at_once"]
            place = code.address(get["shared"], block * get["v_block"] + within * get["v_tile"])
            code.call(read, args, get["x"], place, get["v_product"], tile, get["terms"], padded)

    def _weights(self, program: Program, step: Step) -> None:
        transform = self._transformer(program)
        code, get = self._kernel(program, step)
        args, begin, end, thread = code.arguments
        gathered = code.address(get["scratch"], thread * get["scratch_floats"])
        blocks = (get["terms"] + get["terms_at_once"] - 1) // get["terms_at_once"]
        with code.loop(begin, end) as item:
            vector, term = item // blocks, item % blocks * get["terms_at_once"]
            terms = code.minimum(get["terms_at_once"], get["terms"] - term)
            channel = vector * self.lanes
            panel, within = vector // self.vectors, vector % self.vectors
            source = code.address(get["w"], channel * get["w_lane"] + term * get["w_term"])
            target = code.address(get["shared"], panel * get["u_panel"] + term * self._width + within * self.lanes)
            code.call(transform, args, source, gathered, target, get["u_product"], get["channels"] - channel, terms)
