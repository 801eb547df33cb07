"""The register tile: the innermost loops of every convolution, a few pixels by a few vectors of output channels.

    out[m, v] = start[m, v] + Σ_s Σ_j  x[m·pixel_stride + offset_s + j·step] · w[k, v]        k = (s, j)

The sums stay in registers. The taps of a kernel are segments: runs of inputs that lie one after another (or `step`
apart) in memory, of which a table gives the offset from the pixel and the length. For channels-last memory a segment
is a row of the kernel with all its channels, for channels-first memory a row of one channel. The weights lie in the
order in which they are used. An iteration loads the weights' vectors once and each pixel's number once, for rows ·
vectors multiplications.
"""

from sevenloops.jit.ending import Ending
from sevenloops.jit.language import Value
from sevenloops.jit.llvm import Function, Program

__all__ = ["FINISH", "RESUME", "define_tile"]

#: Flags of a call: begin with what is in `out`, not with the bias; apply what follows the sum.
RESUME, FINISH = 1, 2

# Pixels that share a pointer: x86 and ARM address a pointer, and one or two strides further, in the instruction
# itself. With a pointer for each pixel there are more of them than registers.
_SHARING = 3


def define_tile(program: Program, name: str, rows: int, vectors: int, *, unit: bool, ending: Ending) -> Function:
    """Write the function of a tile.

    Parameters
    ----------
    program : Program
    name : str
    rows, vectors : int
        Pixels, and vectors of output channels.
    unit : bool
        Whether the inputs of a segment are adjacent; if not, the argument `step` counts.
    ending : Ending
        What is done to the finished sums.

    Returns
    -------
    Function
        With the parameters: x, pixel_stride, segments, count, step, w, start, out, out_stride, last, flags, scale,
        bias, residual. The address `segments` has `count` pairs (offset, length); `start`, `scale` and `bias` have a
        float for each channel; `last` is how many floats of the last vector there are.
    """
    code = program.function(name, "pipiipppiiippp")
    x, stride, segments, count, step, w, start, out, out_stride, last, flags, scale, bias, other = code.arguments
    lanes = code.lanes
    mask = code.first_lanes(last)

    def masked(v: int) -> Value | None:
        return mask if v == vectors - 1 else None

    starts = [code.load(start, v * lanes, masked(v)) for v in range(vectors)]
    sums = [[code.variable(starts[v]) for v in range(vectors)] for _ in range(rows)]
    with code.when((flags % 2).equals(1)):
        for m in range(rows):
            for v in range(vectors):
                sums[m][v].set(code.load(out, out_stride * m + v * lanes, masked(v)))

    pixels = [code.address(x, stride * m) for m in range(0, rows, _SHARING)]
    weights = code.variable(w)
    with code.loop(0, count) as s:
        offset, length = code.load_int(segments, s * 2), code.load_int(segments, s * 2 + 1)
        inputs = [code.address(pixel, offset) for pixel in pixels]
        with code.loop(0, length) as j:
            here = weights.get()
            row = [code.load(here, v * lanes) for v in range(vectors)]
            place = j if unit else j * step
            now = [code.address(pointer, place) for pointer in inputs]
            for m in range(rows):
                number = code.spread(
                    code.load_real(now[m // _SHARING], stride * (m % _SHARING) if m % _SHARING else 0)
                )
                for v in range(vectors):
                    sums[m][v].set(code.fma(number, row[v], sums[m][v].get()))
            weights.set(code.address(here, vectors * lanes))

    if ending.is_something:
        with code.when(flags >= FINISH):
            for v in range(vectors):
                factors = ending.factors(code, scale, bias, v * lanes, masked(v))
                for m in range(rows):
                    place = code.address(other, out_stride * m + v * lanes)
                    sums[m][v].set(ending.apply(code, sums[m][v].get(), factors, place, masked(v)))
    for m in range(rows):
        for v in range(vectors):
            code.store(sums[m][v].get(), out, out_stride * m + v * lanes, masked(v))
    return code
