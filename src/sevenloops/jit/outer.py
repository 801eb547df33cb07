"""The kernel of the weight gradient of layers whose pixels lie far apart: pointwise convolutions, full connections.

    dw[m, o] += Σ_pixels  x[pixel, m] · grad_output[pixel, o]

As in `sevenloops.jit.correlate`, a tile of sums stays in registers while the pixels of a block pass. But with many
channels each pixel is in another page of memory, and in the same set of the first-level cache. So some terms of all
the pixels are copied side by side, and some vectors of the gradients, and the tiles run over the copies.
"""

from dataclasses import dataclass

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.blocks import INTEGERS as BLOCKS
from sevenloops.jit.blocks import Block, locate
from sevenloops.jit.correlate import define_sums
from sevenloops.jit.language import Code, Int, Value
from sevenloops.jit.llvm import Function, Program
from sevenloops.jit.target import Target

__all__ = ["ARGUMENTS", "OuterForm"]

#: What the kernel is given; those of `sevenloops.jit.correlate` have the same meaning.
ARGUMENTS = Layout(
    ("x", "grad", "sums", "scratch", "segments"),
    (
        "channel_parts",
        "blocks_in_slice",
        "pixel_blocks",
        *BLOCKS,
        "grad_image",
        "grad_row",
        "grad_column",
        "sum_slice",
        "channel_blocks",
        "blocks_in_part",
        "sum_block",
        "last",
        "tall",
        "short",
        # tall tiles whose terms are copied at once, floats from one pixel's copy to the next, of a thread's scratch,
        # and where in it the copy of the gradients begins
        "tall_at_once",
        "copy_column",
        "scratch_floats",
        "grad_copy",
    ),
)


@dataclass(frozen=True, slots=True)
class OuterForm:
    """What a kernel is written for: see `sevenloops.jit.correlate.CorrelateForm`."""

    itemsize: int
    lanes: int
    tall: int
    short: int
    vectors: int
    last_vectors: int

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        return (
            f"outer_f{8 * self.itemsize}x{self.lanes}_{self.tall}_{self.short}_by_{self.vectors}_{self.last_vectors}"
        )

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        heights = [height for height in (self.tall, self.short) if height]
        tiles = {
            (height, vectors): define_sums(program, f"tile_{height}_{vectors}", 1, height, vectors, unit=True)
            for height in heights
            for vectors in {self.vectors, self.last_vectors}
        }
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, thread = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}
        copy = code.address(get["scratch"], thread * get["scratch_floats"])
        grad_copy = code.address(copy, get["grad_copy"])

        with code.loop(begin, end) as item:
            part, slice_ = item % get["channel_parts"], item // get["channel_parts"]
            first_block = part * get["blocks_in_part"]
            end_block = code.minimum(first_block + get["blocks_in_part"], get["channel_blocks"])
            first_pixels = slice_ * get["blocks_in_slice"]
            end_pixels = code.minimum(first_pixels + get["blocks_in_slice"], get["pixel_blocks"])
            with code.loop(first_pixels, end_pixels) as pixels:
                at = locate(code, get, args, pixels, thread, None)
                resume = code.select(pixels.equals(first_pixels), code.integer(0), code.integer(1))
                place = at.image * get["grad_image"] + at.row_begin * get["grad_row"]
                grad = code.address(get["grad"], place + at.column_begin * get["grad_column"])
                sums = code.address(get["sums"], slice_ * get["sum_slice"])
                with code.loop(0, get["tall"], get["tall_at_once"]) as tile:
                    count = code.integer(code.minimum(get["tall_at_once"], get["tall"] - tile))
                    is_last = (tile + count).equals(get["tall"])
                    shorts = code.select(is_last, get["short"], code.integer(0))
                    floats = count * self.tall + shorts * self.short
                    self._copy_terms(code, get, at, code.address(at.x, tile * self.tall), copy, floats)
                    full = get["channel_blocks"] - 1

                    def block(b: Int, vectors: int, last: Int) -> None:
                        width = vectors * self.lanes
                        self._copy_gradients(
                            code,
                            get,
                            at,
                            code.address(grad, b * (self.vectors * self.lanes)),
                            grad_copy,
                            vectors,
                            last,
                        )
                        first = b * get["sum_block"] + tile * (self.tall * width)
                        total = code.variable(code.address(sums, first))
                        x = code.variable(copy)
                        seen = (at.row_end - at.row_begin) * (at.column_end - at.column_begin)
                        for height, number in zip(heights, (count, shorts)):
                            with code.loop(0, number):
                                code.call(
                                    tiles[height, vectors],
                                    x.get(),
                                    get["segments"],
                                    0,
                                    get["copy_column"],
                                    1,
                                    seen,
                                    grad_copy,
                                    0,
                                    width,
                                    self.lanes,
                                    1,
                                    total.get(),
                                    width,
                                    0,
                                    resume,
                                )
                                x.set(code.address(x.get(), height))
                                total.set(code.address(total.get(), height * width))

                    with code.loop(first_block, code.minimum(end_block, full)) as b:
                        block(b, self.vectors, self.lanes)
                    with code.when(end_block > full):
                        block(full, self.last_vectors, get["last"])
        return program.text()

    def _copy_terms(
        self, code: Function, get: dict[str, Value], at: Block, x: Value, copy: Value, floats: Value
    ) -> None:
        """Write some terms of a block's pixels side by side."""
        to = code.variable(copy)
        with code.loop(0, at.row_end - at.row_begin) as row, code.loop(0, at.column_end - at.column_begin) as column:
            source = code.address(x, row * get["x_row"] + column * get["x_column"])
            for i, mask in code.tiles(floats):
                code.store(code.load(source, i, mask), to.get(), i, mask)
            to.set(code.address(to.get(), get["copy_column"]))

    def _copy_gradients(
        self, code: Code, get: dict[str, Value], at: Block, grad: Value, copy: Value, vectors: int, last: Int
    ) -> None:
        """Write some vectors of the gradients of a block's pixels side by side, zeros beyond the last lane."""
        to = code.variable(copy)
        mask = code.first_lanes(last)
        with code.loop(0, at.row_end - at.row_begin) as row, code.loop(0, at.column_end - at.column_begin) as column:
            source = code.address(grad, row * get["grad_row"] + column * get["grad_column"])
            for v in range(vectors):
                value = code.load(source, v * self.lanes, mask if v == vectors - 1 else None)
                code.store(value, to.get(), v * self.lanes)
            to.set(code.address(to.get(), vectors * self.lanes))

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)
