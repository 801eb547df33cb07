"""Tiles of an image: read and transformed over vectors of channels, or transformed back and written.

Both transforms are left · d · rightᵀ with matrices of the axes. The tiles of all images are numbered, row by row.
What lies outside the image is read as zero and not written: a tile at an edge uses masks, for its positions and for
the last channels alike, so there is no padded copy of anything.
"""

from dataclasses import dataclass

from sevenloops.jit.arguments import Layout
from sevenloops.jit.ending import Ending
from sevenloops.jit.language import Code, Value
from sevenloops.jit.llvm import Function, Program
from sevenloops.jit.winograd.linear import Matrix, multiply_both

__all__ = ["Image", "define_reader", "define_writer"]


@dataclass(frozen=True, slots=True)
class Image:
    """The names of what a kernel is told of an array of images, and the steps between tiles.

    Channels are adjacent in memory. A tile begins `step` positions after the one before it; the first one `before`
    positions outside the image.
    """

    prefix: str
    step: tuple[int, int]

    @property
    def integers(self) -> tuple[str, ...]:
        """Strides in floats, sizes, and positions before the image."""
        parts = ("image", "row", "column", "height", "width", "before_row", "before_column")
        return tuple(f"{self.prefix}_{part}" for part in parts)

    def place(self, code: Code, layout: Layout, args: Value, tile: Value) -> "_Place":
        """Write what finds a tile."""
        get = [layout.read(code, args, name) for name in self.integers]
        image, row, column, height, width, before_row, before_column = get
        across, in_image = layout.read(code, args, "tiles_across"), layout.read(code, args, "tiles_in_image")
        n, rest = tile // in_image, tile % in_image
        y = rest // across * self.step[0] - before_row
        x = rest % across * self.step[1] - before_column
        return _Place(n * image, y, x, row, column, height, width)


@dataclass(frozen=True, slots=True)
class _Place:
    image: Value
    y: Value
    x: Value
    row: Value
    column: Value
    height: Value
    width: Value

    def is_inside(self, code: Code, rows: int, columns: int) -> Value:
        """Return 1 where all positions of a tile exist, else 0."""
        inside: Value = code.integer(1)
        for low, high, size in ((self.y, self.y + rows, self.height), (self.x, self.x + columns, self.width)):
            inside = code.select(low < 0, code.integer(0), inside)
            inside = code.select(high > size, code.integer(0), inside)
        return inside

    def exists(self, code: Code, row: int, column: int, lanes: Value) -> Value:
        """Return `lanes` where a position of the tile exists, else 0."""
        count = lanes
        for place, size in ((self.y + row, self.height), (self.x + column, self.width)):
            count = code.select(place < 0, code.integer(0), count)
            count = code.select(place < size, count, code.integer(0))
        return count

    def offset(self, code: Code, row: int, column: int) -> Value:
        """Return where a position is that exists; where it does not, another one."""
        y = code.maximum(code.minimum(self.y + row, self.height - 1), 0)
        x = code.maximum(code.minimum(self.x + column, self.width - 1), 0)
        return self.image + y * self.row + x * self.column


def define_reader(program: Program, name: str, image: Image, left: Matrix, right: Matrix, layout: Layout) -> Function:
    """Write the function that reads and transforms a tile.

    Its parameters: args, source (the address of a channel of the first image's first position), target,
    target_product (floats between the elements of the transformed tile), tile, channels, width. It writes `width`
    floats, a multiple of the lanes, of which those beyond `channels` are zero.
    """
    code = program.function(name, "pppiiii")
    args, source, target, target_product, tile, channels, width = code.arguments
    rows, columns, lanes = len(left[0]), len(right[0]), code.lanes
    place = image.place(code, layout, args, tile)
    inside = place.is_inside(code, rows, columns)
    full = channels - channels % lanes

    corner = code.address(source, place.image + place.y * place.row + place.x * place.column)
    beyond = code.address(corner, place.column * columns)

    def ahead(c: Value) -> None:
        """Ask for what the next tile reads and this one does not: memory is too far away to wait for."""
        for y in range(rows):
            for x in range(image.step[1]):
                code.prefetch(code.address(beyond, place.row * y + place.column * x), c)

    def finish(square: list[list[Value]], c: Value) -> None:
        ahead(c)
        for i, row in enumerate(multiply_both(code, left, right, square)):
            for j, value in enumerate(row):
                code.store(value, target, target_product * (i * len(right) + j) + c)

    def masked(start: Value, stop: Value) -> None:
        with code.loop(start, stop, lanes) as c:
            count = code.integer(code.minimum(channels - c, lanes))
            masks = [[code.first_lanes(place.exists(code, y, x, count)) for x in range(columns)] for y in range(rows)]
            here = code.address(source, c)
            finish(
                [
                    [code.load(here, place.offset(code, y, x), masks[y][x]) for x in range(columns)]
                    for y in range(rows)
                ],
                c,
            )

    with code.when(inside.equals(1)):
        lines = [code.address(corner, place.row * y) for y in range(rows)]
        with code.loop(0, full, lanes) as c:
            here = [code.address(line, c) for line in lines]
            finish([[code.load(here[y], place.column * x) for x in range(columns)] for y in range(rows)], c)
    with code.when(inside.equals(0)):
        everywhere = [
            [code.first_lanes(place.exists(code, y, x, code.integer(lanes))) for x in range(columns)]
            for y in range(rows)
        ]
        offsets = [[place.offset(code, y, x) for x in range(columns)] for y in range(rows)]
        with code.loop(0, full, lanes) as c:
            here_ = code.address(source, c)
            finish(
                [[code.load(here_, offsets[y][x], everywhere[y][x]) for x in range(columns)] for y in range(rows)], c
            )
    masked(full, width)
    return code


def define_writer(
    program: Program, name: str, image: Image, left: Matrix, right: Matrix, ending: Ending, layout: Layout
) -> Function:
    """Write the function that transforms a tile back, does what follows the sum and writes it.

    Its parameters: args, source, source_product, target (the address of a channel of the first image's first
    position), scale and bias (of that channel), residual (as target), tile, channels.
    """
    code = program.function(name, "ppippppii")
    args, source, source_product, target, scale, bias, residual, tile, channels = code.arguments
    rows, columns, lanes = len(left), len(right), code.lanes
    place = image.place(code, layout, args, tile)
    inside = place.is_inside(code, rows, columns)
    full = channels - channels % lanes

    def results(c: Value) -> list[list[Value]]:
        here = code.address(source, c)
        n = len(right[0])
        square = [[code.load(here, source_product * (i * n + j)) for j in range(n)] for i in range(len(left[0]))]
        return multiply_both(code, left, right, square)

    def finish(value: Value, c: Value, offset: Value, mask: Value | None, some: Value | None) -> None:
        """Write a vector of channels of a position; `some` is the mask of the channels that exist."""
        factors = ending.factors(code, code.address(scale, c), code.address(bias, c), 0, some)
        if factors is None:
            value = value + code.load(bias, c, some)
        added = code.address(code.address(residual, c), offset)
        code.store(ending.apply(code, value, factors, added, mask), code.address(target, c), offset, mask)

    def masked(start: Value, stop: Value, count: Value) -> None:
        masks = [[code.first_lanes(place.exists(code, y, x, count)) for x in range(columns)] for y in range(rows)]
        offsets = [[place.offset(code, y, x) for x in range(columns)] for y in range(rows)]
        some = code.first_lanes(count)
        with code.loop(start, stop, lanes) as c:
            for y, row in enumerate(results(c)):
                for x, value in enumerate(row):
                    finish(value, c, offsets[y][x], masks[y][x], some)

    with code.when(inside.equals(1)):
        first = place.image + place.y * place.row + place.x * place.column
        with code.loop(0, full, lanes) as c:
            for y, row in enumerate(results(c)):
                for x, value in enumerate(row):
                    finish(value, c, first + place.row * y + place.column * x, None, None)
    with code.when(inside.equals(0)):
        masked(code.integer(0), full, code.integer(lanes))
    masked(full, channels, channels - full)
    return code
