"""The kernels of depthwise convolution: each channel by itself, so vectors of channels by vectors of weights.

    out[m, c] = start[c] + Σ_t  x[pixel_m + offset_t, c] · w[t, c]
    dw[t, c] += Σ_pixels  x[pixel + offset_t, c] · grad_output[pixel, c]

Inputs, outputs and weights are read side by side, one vector of channels at a time. Each number that is loaded serves
one multiplication, so these kernels are as fast as the loads.
"""

from dataclasses import dataclass

from sevenloops.jit import compiler
from sevenloops.jit.arguments import Layout
from sevenloops.jit.blocks import INTEGERS as BLOCKS
from sevenloops.jit.blocks import locate
from sevenloops.jit.ending import ENDINGS, NOTHING, Ending
from sevenloops.jit.llvm import Function, Program
from sevenloops.jit.strip import Kind, define_strip
from sevenloops.jit.target import Target

__all__ = ["FORWARD", "GRADIENT", "HEIGHTS", "DepthwiseForm", "DepthwiseGradientForm"]

#: Different heights of tiles in one kernel, at most.
HEIGHTS = 3

_COUNTS = tuple(f"{where}_{i}" for where in ("inner", "last") for i in range(HEIGHTS))

#: What the forward kernel is given; an item is a part of the vectors of channels and a block of positions. `segments`
#: has a pair (offset, 1) for each tap.
FORWARD = Layout(
    ("x", "w", "start", "out", *ENDINGS, "scratch", "segments"),
    (
        "parts",
        "vectors",
        "vectors_in_part",
        "tap_rows",
        "taps",
        *BLOCKS,
        *_COUNTS,
        "out_image",
        "out_row",
        "out_column",
    ),
)

#: What the kernel of the weight gradient is given; an item is a part of the vectors and a slice of the blocks.
GRADIENT = Layout(
    ("x", "grad", "sums", "scratch", "segments"),
    (
        "parts",
        "vectors",
        "vectors_in_part",
        "blocks_in_slice",
        "blocks",
        "tap_rows",
        "taps",
        *BLOCKS,
        *_COUNTS,
        "grad_image",
        "grad_row",
        "grad_column",
        "sum_slice",
    ),
)


def _seen_by(height: int, taps: int, advance: int, dilation: int) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return which pixels and taps see each input under a row of the kernel.

    Inputs are counted in (pixels, columns) from the first; where pixels are beside each other several see the same.
    """
    seen: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for m in range(height):
        for tap in range(taps):
            step = tap * dilation
            seen.setdefault((0, m * advance + step) if advance else (m, step), []).append((m, tap))
    return dict(sorted(seen.items()))


@dataclass(frozen=True, slots=True)
class DepthwiseForm:
    """The forward kernel; it also computes an input gradient's phase.

    Attributes
    ----------
    itemsize, lanes : int
    heights : tuple of int
        Pixels of the tiles there are.
    taps, advance, dilation : int
        Taps in a row of the kernel; columns of the input from one pixel to the next (0 if pixels are not beside each
        other), and from one tap to the next.
    strip : str or None
    ending : Ending
        What is done to the finished sums.
    """

    itemsize: int
    lanes: int
    heights: tuple[int, ...]
    taps: int
    advance: int
    dilation: int
    strip: Kind | None
    ending: Ending = NOTHING

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        heights = "_".join(map(str, self.heights))
        return (
            f"depthwise_f{8 * self.itemsize}x{self.lanes}_{heights}_t{self.taps}_{self.advance}_{self.dilation}"
            f"_{self.strip or 'plain'}_{self.ending.name}"
        )

    def _tile(self, program: Program, height: int) -> Function:
        """Write the function of a tile: `height` pixels of one vector of channels.

        Each column of inputs under a row of the kernel is loaded once, for all pixels and taps that see it.
        """
        code = program.function(f"tile_{height}", "piipipppipppi")
        x, pixel, column, segments, rows, w, start, out, out_stride, scale, bias, other, count = code.arguments
        mask = code.first_lanes(count)
        first = code.load(start, 0, mask)
        sums = [code.variable(first) for _ in range(height)]
        seen_by = _seen_by(height, self.taps, self.advance, self.dilation)
        with code.loop(0, rows) as row:
            weights = code.address(w, row * (self.taps * self.lanes))
            of_tap = [code.load(weights, tap * self.lanes) for tap in range(self.taps)]
            here = code.address(x, code.load_int(segments, row * (2 * self.taps)))
            for (pixels, columns), uses in seen_by.items():
                value = code.load(here, pixel * pixels + column * columns, mask)
                for m, tap in uses:
                    sums[m].set(code.fma(value, of_tap[tap], sums[m].get()))
        factors = self.ending.factors(code, scale, bias, 0, mask)
        for m in range(height):
            place_out = out_stride * m
            beside = code.address(other, place_out)
            code.store(self.ending.apply(code, sums[m].get(), factors, beside, mask), out, place_out, mask)
        return code

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        tiles = [self._tile(program, height) for height in self.heights]
        strip = define_strip(program, "strip", self.strip, FORWARD) if self.strip else None
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, thread = code.arguments
        get = {name: FORWARD.read(code, args, name) for name in FORWARD.names}
        with code.loop(begin, end) as item:
            part = item % get["parts"]
            at = locate(code, get, args, item // get["parts"], thread, strip)
            counts = [code.select(at.is_last_column, get[f"last_{i}"], get[f"inner_{i}"]) for i in range(len(tiles))]
            place = at.image * get["out_image"] + at.column_begin * get["out_column"]
            first = part * get["vectors_in_part"]
            stop = code.minimum(first + get["vectors_in_part"], get["vectors"])
            # All channels of a tile's pixels before the next tile: memory is read and written from end to end.
            with code.loop(at.row_begin, at.row_end) as row:
                moved = code.variable(place + row * get["out_row"])
                x = code.variable(code.address(at.x, (row - at.row_begin) * get["x_row"]))
                for height, count, tile in zip(self.heights, counts, tiles):
                    with code.loop(0, count):
                        with code.loop(first, stop) as vector:
                            channel = vector * self.lanes
                            start, scale, bias = (
                                code.address(get[key], channel) for key in ("start", "scale", "bias")
                            )
                            code.call(
                                tile,
                                code.address(x.get(), channel),
                                get["x_column"],
                                get["strip_column"],
                                get["segments"],
                                get["tap_rows"],
                                code.address(get["w"], channel * get["taps"]),
                                start,
                                code.address(get["out"], moved.get() + channel),
                                get["out_column"],
                                scale,
                                bias,
                                code.address(get["residual"], moved.get() + channel),
                                get["channels"] - channel,
                            )
                        x.set(code.address(x.get(), get["x_column"] * height))
                        moved.set(moved.get() + get["out_column"] * height)
        return program.text()

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)


@dataclass(frozen=True, slots=True)
class DepthwiseGradientForm:
    """The kernel of the weight gradient.

    Attributes
    ----------
    itemsize, lanes, heights, taps, advance, dilation, strip
        As those of `DepthwiseForm`.
    """

    itemsize: int
    lanes: int
    heights: tuple[int, ...]
    taps: int
    advance: int
    dilation: int
    strip: Kind | None

    @property
    def name(self) -> str:
        """A name of its own for each kernel."""
        heights = "_".join(map(str, self.heights))
        return (
            f"depthwise_grad_f{8 * self.itemsize}x{self.lanes}_{heights}_t{self.taps}_{self.advance}_{self.dilation}"
            f"_{self.strip or 'plain'}"
        )

    def _tile(self, program: Program, height: int) -> Function:
        """Write the function that adds what `height` pixels give to the sums of one vector of channels."""
        code = program.function(f"tile_{height}", "piipipipi")
        x, pixel, column, segments, rows, grad, grad_column, sums, count = code.arguments
        mask = code.first_lanes(count)
        gradients = [code.load(grad, grad_column * m, mask) for m in range(height)]
        seen_by = _seen_by(height, self.taps, self.advance, self.dilation)
        with code.loop(0, rows) as row:
            here = code.address(x, code.load_int(segments, row * (2 * self.taps)))
            place = code.address(sums, row * (self.taps * self.lanes))
            totals = [code.load(place, tap * self.lanes) for tap in range(self.taps)]
            for (pixels, columns), uses in seen_by.items():
                value = code.load(here, pixel * pixels + column * columns, mask)
                for m, tap in uses:
                    totals[tap] = code.fma(value, gradients[m], totals[tap])
            for tap, total in enumerate(totals):
                code.store(total, place, tap * self.lanes)
        return code

    def write(self, target: Target) -> str:
        """Return the program."""
        program = Program(target, self.itemsize, self.lanes)
        tiles = [self._tile(program, height) for height in self.heights]
        strip = define_strip(program, "strip", self.strip, GRADIENT) if self.strip else None
        code = program.function(self.name, "piii", exported=True)
        args, begin, end, thread = code.arguments
        get = {name: GRADIENT.read(code, args, name) for name in GRADIENT.names}
        of_vector = get["taps"] * self.lanes
        with code.loop(begin, end) as item:
            part, slice_ = item % get["parts"], item // get["parts"]
            first_vector = part * get["vectors_in_part"]
            stop = code.minimum(first_vector + get["vectors_in_part"], get["vectors"])
            sums = code.address(get["sums"], slice_ * get["sum_slice"])
            with code.loop(first_vector * of_vector, stop * of_vector, self.lanes) as i:
                code.store(code.zero(), sums, i)
            first = slice_ * get["blocks_in_slice"]
            with code.loop(first, code.minimum(first + get["blocks_in_slice"], get["blocks"])) as number:
                at = locate(code, get, args, number, thread, strip)
                counts = [
                    code.select(at.is_last_column, get[f"last_{i}"], get[f"inner_{i}"]) for i in range(len(tiles))
                ]
                place = at.image * get["grad_image"] + at.column_begin * get["grad_column"]
                with code.loop(at.row_begin, at.row_end) as row:
                    grad = code.variable(code.address(get["grad"], place + row * get["grad_row"]))
                    x = code.variable(code.address(at.x, (row - at.row_begin) * get["x_row"]))
                    for height, count, tile in zip(self.heights, counts, tiles):
                        with code.loop(0, count):
                            with code.loop(first_vector, stop) as vector:
                                channel = vector * self.lanes
                                code.call(
                                    tile,
                                    code.address(x.get(), channel),
                                    get["x_column"],
                                    get["strip_column"],
                                    get["segments"],
                                    get["tap_rows"],
                                    code.address(grad.get(), channel),
                                    get["grad_column"],
                                    code.address(sums, vector * of_vector),
                                    get["channels"] - channel,
                                )
                            x.set(code.address(x.get(), get["x_column"] * height))
                            grad.set(code.address(grad.get(), get["grad_column"] * height))
        return program.text()

    def load(self) -> int:
        """Return the address of the kernel."""
        return compiler.load(self.name, self.write)
