"""The kernel of weight gradients: blocks of the weight, each a sum over output positions kept in registers.

    dw[m, o] += Σ_pixels  x[pixel·stride + place_m] · grad_output[pixel, o]

The roles of the forward tile's loops change: a tile is some terms (rows m: inputs that an output sees) by some
vectors of output channels, and the innermost loop runs over the pixels of a block. Each slice of the pixels has sums
of its own, in the order [group][block of channels][term][lane], which `sevenloops.jit.weights` adds up in a fixed
order; large weights need no slices, since the threads share the blocks of channels.
"""

from dataclasses import dataclass

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.blocks import INTEGERS as BLOCKS
from sevenloops.jit.blocks import locate
from sevenloops.jit.language import Int, Value
from sevenloops.jit.llvm import Function, Program
from sevenloops.jit.strip import Kind, define_strip
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "CorrelateForm", "define_sums"]

#: What the kernel is given.
ARGUMENTS = Layout(
    ("x", "grad", "sums", "scratch", "segments"),
    (
        # an item is a part of the channels' blocks and a slice of the blocks of pixels
        "channel_parts",
        "blocks_in_slice",
        "pixel_blocks",
        *BLOCKS,
        "step",
        "grad_image",
        "grad_row",
        "grad_column",
        "groups",
        "x_group",
        "sum_group",
        "grad_group",
        "sum_slice",
        "channel_blocks",
        "blocks_in_part",
        "sum_block",
        "last",
        # terms: how many bundles of segments, tiles of each height in a segment
        "bundles",
        "tall",
        "short",
    ),
)


def define_sums(program: Program, name: str, bundle: int, height: int, vectors: int, *, unit: bool) -> Function:
    """Write the function of a tile: `bundle` segments of `height` terms, by some vectors of channels.

    Its parameters: x, segments, x_row, x_column, rows, columns, grad, grad_row, grad_column, last, step, sums, width,
    gap (floats of the sums from one term to the next, and from one segment to the next) and resume.
    """
    code = program.function(name, "ppiiiipiiiipiii")
    (
        x,
        segments,
        x_row,
        x_column,
        rows,
        columns,
        grad,
        grad_row,
        grad_column,
        last,
        step,
        sums,
        width,
        gap,
        resume,
    ) = code.arguments
    lanes = code.lanes
    mask = code.first_lanes(last)

    def masked(v: int) -> Value | None:
        return mask if v == vectors - 1 else None

    places = [(b, i) for b in range(bundle) for i in range(height)]
    totals = {(b, i, v): code.variable(code.zero()) for b, i in places for v in range(vectors)}
    with code.when(resume.equals(1)):
        for b, i in places:
            for v in range(vectors):
                totals[b, i, v].set(code.load(sums, gap * b + width * i + v * lanes))
    starts = [code.address(x, code.load_int(segments, 2 * b)) for b in range(bundle)]
    with code.loop(0, rows) as r:
        xs = [code.variable(code.address(start, r * x_row)) for start in starts]
        g = code.variable(code.address(grad, r * grad_row))
        with code.loop(0, columns):
            gradients = [code.load(g.get(), v * lanes, masked(v)) for v in range(vectors)]
            for b in range(bundle):
                here = xs[b].get()
                for i in range(height):
                    number = code.spread(code.load_real(here, i if unit else (step * i if i else 0)))
                    for v in range(vectors):
                        total = totals[b, i, v]
                        total.set(code.fma(number, gradients[v], total.get()))
                xs[b].set(code.address(here, x_column))
            g.set(code.address(g.get(), grad_column))
    for b, i in places:
        for v in range(vectors):
            code.store(totals[b, i, v].get(), sums, gap * b + width * i + v * lanes)
    return code


@dataclass(frozen=True, slots=True)
class CorrelateForm:
    """What a kernel is written for.

    Attributes
    ----------
    itemsize, lanes : int
    bundle : int
        Segments that a tile takes at once.
    tall, short : int
        Terms of a segment in a tile; 0 if there are no short ones.
    length : int
        Terms of a segment, if a tile takes several; else 0.
    vectors, last_vectors : int
    unit : bool
        Whether the terms of a segment are adjacent.
    strip : str or None
    """

    itemsize: int
    lanes: int
    bundle: int
    tall: int
    short: int
    vectors: int
    last_vectors: int
    unit: bool
    strip: Kind | None

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return (
            f"correlate_f{8 * self.itemsize}x{self.lanes}_{self.bundle}x{self.tall}_{self.short}_by_{self.vectors}"
            f"_{self.last_vectors}_{'u' if self.unit else 's'}_{self.strip or 'plain'}"
        )

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        heights = [height for height in (self.tall, self.short) if height]
        tiles = {
            (height, vectors): define_sums(
                program, f"tile_{height}_{vectors}", self.bundle, height, vectors, unit=self.unit
            )
            for height in heights
            for vectors in {self.vectors, self.last_vectors}
        }
        strip_maker = define_strip(program, "strip", self.strip, ARGUMENTS) if self.strip else None
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, thread = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}

        with code.loop(begin, end) as item:
            part, slice_ = item % get["channel_parts"], item // get["channel_parts"]
            first_block = part * get["blocks_in_part"]
            end_block = code.minimum(first_block + get["blocks_in_part"], get["channel_blocks"])
            first_pixels = slice_ * get["blocks_in_slice"]
            end_pixels = code.minimum(first_pixels + get["blocks_in_slice"], get["pixel_blocks"])
            with code.loop(first_pixels, end_pixels) as pixels:
                at = locate(code, get, args, pixels, thread, strip_maker)
                resume = code.select(pixels.equals(first_pixels), code.integer(0), code.integer(1))
                grad = code.address(get["grad"], at.image * get["grad_image"] + at.row_begin * get["grad_row"])
                grad = code.address(grad, at.column_begin * get["grad_column"])
                with code.loop(0, get["groups"]) as group:
                    x_group = code.address(at.x, group * get["x_group"])
                    grad_group = code.address(grad, group * get["grad_group"])
                    sums = code.address(get["sums"], slice_ * get["sum_slice"] + group * get["sum_group"])

                    def block(b: Int, vectors: int, last: Int) -> None:
                        width = vectors * self.lanes
                        gradients = code.address(grad_group, b * (self.vectors * self.lanes))
                        length = get["tall"] * self.tall + get["short"] * self.short
                        gap = length * width
                        total = code.variable(code.address(sums, b * get["sum_block"]))
                        with code.loop(0, get["bundles"]) as bundle:
                            table = code.address_of_int(get["segments"], bundle * (2 * self.bundle))
                            x = code.variable(x_group)
                            for height, count in zip(heights, ("tall", "short")):
                                with code.loop(0, get[count]):
                                    code.call(
                                        tiles[height, vectors],
                                        x.get(),
                                        table,
                                        get["x_row"],
                                        get["x_column"],
                                        at.row_end - at.row_begin,
                                        at.column_end - at.column_begin,
                                        gradients,
                                        get["grad_row"],
                                        get["grad_column"],
                                        last,
                                        get["step"],
                                        total.get(),
                                        width,
                                        gap,
                                        resume,
                                    )
                                    x.set(code.address(x.get(), get["step"] * height))
                                    total.set(code.address(total.get(), height * width))
                            total.set(code.address(total.get(), gap * (self.bundle - 1)))

                    full = get["channel_blocks"] - 1
                    with code.loop(first_block, code.minimum(end_block, full)) as b:
                        block(b, self.vectors, self.lanes)
                    with code.when(end_block > full):
                        block(full, self.last_vectors, get["last"])
        return program.text()

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)
