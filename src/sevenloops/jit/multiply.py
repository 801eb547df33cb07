"""The kernel of direct convolution: blocks of outputs, each a sum of register tiles.

An item is a block of an image's output rows and columns, for some of the blocks of output channels. Where the input
is padded, or its memory is not in the tile's order, the item makes its strip first. Then, block by block of the sum's
terms (as many as leave the block's weights in the second-level cache), block by block of output channels, row by row,
tile by tile.

What is called a column here need not be one: the host names the axes so that tiles run along a long one (in a
pointwise convolution all pixels of all images are one row).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.blocks import INTEGERS as BLOCKS
from sevenloops.jit.blocks import locate
from sevenloops.jit.ending import ENDINGS, NOTHING, Ending
from sevenloops.jit.language import Int, Value
from sevenloops.jit.llvm import Program
from sevenloops.jit.strip import Kind, define_strip
from sevenloops.jit.target import Target
from sevenloops.jit.tile import FINISH, RESUME, define_tile

__all__ = ["ARGUMENTS", "HEIGHTS", "MultiplyForm"]

#: Different heights of tiles in one kernel, at most.
HEIGHTS = 3

_COUNTS = tuple(f"{where}_{i}" for where in ("inner", "last") for i in range(HEIGHTS))

#: What the kernel is given.
ARGUMENTS = Layout(
    ("x", "w", "start", "out", *ENDINGS, "scratch", "segments", "terms"),
    (
        "channel_parts",  # an item is a part of the channels' blocks and a block of positions
        *BLOCKS,
        # tiles of each height in a block of columns: in any but the last, in the last
        *_COUNTS,
        # strides, in floats, of a segment's inputs, and of the output's positions
        "step",
        "out_image",
        "out_row",
        "out_column",
        # groups, and blocks of output channels in each; of the last one the floats in its last vector
        "groups",
        "x_group",
        "w_group",
        "out_group",
        "channel_blocks",
        "blocks_in_part",
        "w_block",
        "last",
        # blocks of the sum's terms: (first segment, segments, first term) in the array `terms`
        "term_blocks",
    ),
)


@dataclass(frozen=True, slots=True)
class MultiplyForm:
    """What a kernel is written for; everything else it is told when it runs.

    Attributes
    ----------
    itemsize, lanes : int
        Bytes of a float, floats of a vector.
    heights : tuple of int
        Pixels of the tiles there are.
    vectors, last_vectors : int
        Vectors of a block of output channels, and of the last block.
    unit : bool
        See `sevenloops.jit.tile.define_tile`.
    strip : str or None
        The kind of strip, if one is made.
    ending : Ending
        What is done to the finished sums.
    pixels_first : bool
        Whether a tile's pixels get all their channels before the next tile comes: then memory is read and written
        from one end to the other, but the weights of all channels pass by each time.
    """

    itemsize: int
    lanes: int
    heights: tuple[int, ...]
    vectors: int
    last_vectors: int
    unit: bool = True
    strip: Kind | None = None
    ending: Ending = NOTHING
    pixels_first: bool = False

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        heights = "_".join(map(str, self.heights))
        unit = "adjacent" if self.unit else "apart"
        return (
            f"multiply_f{8 * self.itemsize}x{self.lanes}_{heights}_by_{self.vectors}_{self.last_vectors}_{unit}"
            f"_{self.strip or 'plain'}_{self.ending.name}{'_pixels_first' * self.pixels_first}"
        )

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        tiles = {
            (height, vectors): define_tile(
                program, f"tile_{height}_{vectors}", height, vectors, unit=self.unit, ending=self.ending
            )
            for height in self.heights
            for vectors in {self.vectors, self.last_vectors}
        }
        strip_maker = define_strip(program, "strip", self.strip, ARGUMENTS) if self.strip else None
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, thread = code.arguments
        get = {name: ARGUMENTS.read(code, args, name) for name in ARGUMENTS.names}

        with code.loop(begin, end) as item:
            part, rest = item % get["channel_parts"], item // get["channel_parts"]
            at = locate(code, get, args, rest, thread, strip_maker)
            row_begin, row_end = at.row_begin, at.row_end
            counts = [
                code.select(at.is_last_column, get[f"last_{i}"], get[f"inner_{i}"]) for i in range(len(self.heights))
            ]
            out_place = at.image * get["out_image"] + at.column_begin * get["out_column"]
            first_block = part * get["blocks_in_part"]
            end_block = code.minimum(first_block + get["blocks_in_part"], get["channel_blocks"])
            with code.loop(0, get["groups"]) as group:
                x_group = code.address(at.x, group * get["x_group"])
                with code.loop(0, get["term_blocks"]) as t:
                    first_segment = code.load_int(get["terms"], t * 3)
                    segments = code.load_int(get["terms"], t * 3 + 1)
                    first_term = code.load_int(get["terms"], t * 3 + 2)
                    table = code.address_of_int(get["segments"], first_segment * 2)
                    resume = code.select(t.equals(0), code.integer(0), code.integer(RESUME))
                    finish = code.select((t + 1).equals(get["term_blocks"]), code.integer(FINISH), code.integer(0))
                    flags = resume + finish

                    def along(row: Value, do: Callable[[int, Value, Value], None]) -> None:
                        """Do something for each tile of a row: its height, its first input, its place in `out`."""
                        x = code.variable(code.address(x_group, (row - row_begin) * get["x_row"]))
                        place = code.variable(out_place + row * get["out_row"] + group * get["out_group"])
                        for height, count in zip(self.heights, counts):
                            with code.loop(0, count):
                                do(height, x.get(), place.get())
                                x.set(code.address(x.get(), get["x_column"] * height))
                                place.set(place.get() + get["out_column"] * height)

                    def tile(height: int, x: Value, place: Value, b: Int, vectors: int, last: Int) -> None:
                        channel = b * (self.vectors * self.lanes)
                        first = group * get["w_group"] + b * get["w_block"] + first_term * (vectors * self.lanes)
                        per_channel = group * get["out_group"] + channel
                        start, scale, bias = (
                            code.address(get[key], per_channel) for key in ("start", "scale", "bias")
                        )
                        code.call(
                            tiles[height, vectors],
                            x,
                            get["x_column"],
                            table,
                            segments,
                            get["step"],
                            code.address(get["w"], first),
                            start,
                            code.address(get["out"], place + channel),
                            get["out_column"],
                            last,
                            flags,
                            scale,
                            bias,
                            code.address(get["residual"], place + channel),
                        )

                    full = get["channel_blocks"] - 1

                    def blocks(do: Callable[[Int, int, Int], None]) -> None:
                        """Do something for each block of channels: its number, vectors, floats of the last one."""
                        with code.loop(first_block, code.minimum(end_block, full)) as b:
                            do(b, self.vectors, self.lanes)
                        with code.when(end_block > full):
                            do(full, self.last_vectors, get["last"])

                    if self.pixels_first:
                        with code.loop(row_begin, row_end) as row:
                            along(row, lambda height, x, place: blocks(partial(tile, height, x, place)))
                    else:

                        def rows(b: Int, vectors: int, last: Int) -> None:
                            with code.loop(row_begin, row_end) as row:
                                along(row, lambda height, x, place: tile(height, x, place, b, vectors, last))

                        blocks(rows)
        return program.text()

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)
