"""fft: products of spectra, tile by tile.

A correlation is a product of spectra if nothing that has wrapped around is used: with transforms at least as long as
the inputs of a tile, and conj for the complex conjugate,

    forward       ŷ = x̂ · conj(ŵ)      its positions are used where the whole window is in the tile
    input_grad    x̂ = ŷ · ŵ            tiles are added up where they overlap
    weight_grad   ŵ = Σ x̂ · conj(ŷ)    over the tiles; its first positions are used, as many as the kernel has

each with a sum over channels, for every frequency a product of matrices. A stride takes every s-th position of what
is computed for all, or puts zeros between those of grad_output; a dilation puts zeros between the taps. So the time
hardly depends on the size of the kernel.

BLAS multiplies real matrices faster than complex ones. In memory a row of complex numbers v is a row of real ones,
(re, im, re, im, …), and so is a sum over complex factors f, in twice as many real terms:

    Σ f · v = Σ re(f) · v + im(f) · (i · v)
"""

from itertools import groupby, product
from math import prod

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.conv.cost import Cost
from sevenloops.conv.fft.choice import make_plan, predict
from sevenloops.conv.fft.plan import FftPlan, Tile
from sevenloops.conv.fft.transforms import Transformer, scale
from sevenloops.conv.pieces import overlap, spread
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register

__all__ = ["ALGORITHM"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Transform tiles of x, multiply, transform back."""
    plan = make_plan(problem)
    g, shape = plan.geometry, (plan.frequencies, plan.at_once)
    workers = _workers(plan)
    weights = _weight_spectra(weight, plan, workers)
    inputs = runtime.empty((*shape, g.in_channels), plan.complex_dtype)
    outputs = runtime.empty((*shape, g.out_channels), plan.complex_dtype)
    dense = (1,) * g.axes

    def read(unit: tuple[Tile, slice], worker: Transformer) -> None:
        tile, channels = unit
        spectra = worker.transform(x[tile.images, channels], plan.input_starts(tile), plan.reach, dense)
        inputs[:, tile.numbers, channels] = spectra.transpose(2, 0, 1)

    def write(unit: tuple[Tile, slice], worker: Transformer) -> None:
        tile, channels = unit
        piece = worker.transform_back(outputs[:, tile.numbers, channels].transpose(1, 2, 0), plan.outputs, g.stride)
        inside, place = overlap(tile.starts, plan.outputs, g.output_size)
        block = out[tile.images, channels][place]
        block[...] = piece[inside]
        epilogue.apply(block, 1, channels)

    for tiles in plan.rounds:
        used = slice(0, tiles[-1].numbers.stop)
        spread(read, plan.units(tiles, g.in_channels), workers)
        _multiply(inputs[:, used], weights, outputs[:, used], plan)
        spread(write, plan.units(tiles, g.out_channels), workers)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Transform tiles of grad_output, multiply, transform back, add up."""
    plan = make_plan(problem)
    g, shape = plan.geometry, (plan.frequencies, plan.at_once)
    workers = _workers(plan)
    weights = _weight_spectra(weight, plan, workers)
    grads = runtime.empty((*shape, g.out_channels), plan.complex_dtype)
    sums = runtime.empty((*shape, g.in_channels), plan.complex_dtype)
    dense = (1,) * g.axes
    out[...] = 0

    def read(unit: tuple[Tile, slice], worker: Transformer) -> None:
        tile, channels = unit
        spectra = worker.transform(grad_output[tile.images, channels], list(tile.starts), plan.outputs, g.stride)
        grads[:, tile.numbers, channels] = spectra.transpose(2, 0, 1)

    def add(unit: tuple[list[Tile], slice], worker: Transformer) -> None:
        same_images, channels = unit
        for tile in same_images:
            piece = worker.transform_back(sums[:, tile.numbers, channels].transpose(1, 2, 0), plan.reach, dense)
            inside, place = overlap(plan.input_starts(tile), plan.reach, g.input_size)
            block = out[tile.images, channels][place]
            block += piece[inside]

    for tiles in plan.rounds:
        used = slice(0, tiles[-1].numbers.stop)
        spread(read, plan.units(tiles, g.out_channels), workers)
        _multiply(grads[:, used], weights, sums[:, used], plan)
        # The tiles of an image overlap, so one worker adds them all.
        images = [list(same) for _, same in groupby(tiles, key=lambda tile: tile.images.start)]
        slices = plan.channel_slices(g.in_channels, len(images))
        spread(add, list(product(images, slices)), workers)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Transform tiles of both, sum the products over all tiles, transform back."""
    plan = make_plan(problem)
    g, shape = plan.geometry, (plan.frequencies, plan.at_once)
    workers = _workers(plan)
    inputs = runtime.empty((*shape, 1 if g.is_depthwise else 2, g.in_channels), plan.complex_dtype)
    grads = runtime.empty((*shape, g.out_channels), plan.complex_dtype)
    parts = grads.view(problem.dtype).reshape(*shape, 2, g.out_channels)  # real, then imaginary
    sums = runtime.empty((plan.frequencies, g.groups, g.group_out, g.group_in), plan.complex_dtype)
    dense = (1,) * g.axes

    def read_input(unit: tuple[Tile, slice], worker: Transformer) -> None:
        tile, channels = unit
        spectra = worker.transform(x[tile.images, channels], plan.input_starts(tile), plan.reach, dense)
        spectra = spectra.transpose(2, 0, 1)
        rows = inputs[:, tile.numbers, :, channels]
        rows[:, :, 0] = spectra
        if not g.is_depthwise:  # the factor conj(ŷ) is re(ŷ) - i · im(ŷ)
            rows[:, :, 1].real = spectra.imag
            np.multiply(spectra.real, -1, out=rows[:, :, 1].imag)

    def read_grad(unit: tuple[Tile, slice], worker: Transformer) -> None:
        tile, channels = unit
        spectra = worker.transform(grad_output[tile.images, channels], list(tile.starts), plan.outputs, g.stride)
        spectra = spectra.transpose(2, 0, 1)
        if g.is_depthwise:
            np.conjugate(spectra, out=grads[:, tile.numbers, channels])
        else:
            parts[:, tile.numbers, 0, channels] = spectra.real
            parts[:, tile.numbers, 1, channels] = spectra.imag

    addends = [runtime.empty((0,), plan.complex_dtype)] * plan.workers
    if len(plan.rounds) > 1:
        step = -(-plan.frequencies // len(plan.frequency_slices))
        addends = [runtime.empty((step, *sums.shape[1:]), plan.complex_dtype) for _ in workers]

    def multiply(unit: tuple[slice, int, bool], addend: Array) -> None:
        some, used, first = unit
        target = sums[some] if first else addend[: some.stop - some.start]
        if g.is_depthwise:
            np.einsum("fpc,fpc->fc", grads[some, :used], inputs[some, :used, 0], out=target[..., 0, 0])
        else:
            # (frequencies, groups, channels, 2 · tiles) times (frequencies, groups, 2 · tiles, 2 · channels)
            left = parts[some, :used].reshape(len(target), 2 * used, g.groups, g.group_out)
            right = inputs[some, :used].view(problem.dtype).reshape(len(target), 2 * used, g.groups, 2 * g.group_in)
            np.matmul(left.transpose(0, 2, 3, 1), right.transpose(0, 2, 1, 3), out=target.view(problem.dtype))
        if not first:
            sums[some] += target

    for tiles in plan.rounds:
        spread(read_input, plan.units(tiles, g.in_channels), workers)
        spread(read_grad, plan.units(tiles, g.out_channels), workers)
        used, first = tiles[-1].numbers.stop, tiles is plan.rounds[0]
        spread(multiply, [(some, used, first) for some in plan.frequency_slices], addends)

    result = out.reshape(g.groups, g.group_out, g.group_in, *g.kernel_size)

    def finish(place: tuple[slice, slice, slice], worker: Transformer) -> None:
        spectra = sums[:, *place].transpose(1, 2, 3, 0)
        kernels = worker.transform_back(spectra, g.kernel_size, g.dilation)
        np.multiply(kernels, scale(plan.lengths), out=result[place], casting="same_kind")

    spread(finish, plan.kernel_slices, workers)


# --- parts ----------------------------------------------------------------------------------------------------------


def _workers(plan: FftPlan) -> list[Transformer]:
    return [Transformer(plan.lengths, plan.scratch, plan.problem.dtype) for _ in range(plan.workers)]


def _weight_spectra(weight: Array, plan: FftPlan, workers: list[Transformer]) -> Array:
    """Return the factors of the spectra: per frequency and group, a row v and a row i·v for each channel.

    Their shape is (frequencies, groups, channels summed over, 2, channels of the result), depthwise (frequencies,
    channels).
    """
    g, is_forward = plan.geometry, plan.problem.direction == "forward"
    kernels = weight.reshape(g.groups, g.group_out, g.group_in, *g.kernel_size)
    rows, columns = (g.group_in, g.group_out) if is_forward else (g.group_out, g.group_in)
    shape = (g.groups,) if g.is_depthwise else (g.groups, rows, 2, columns)
    factors = runtime.empty((plan.frequencies, *shape), plan.complex_dtype)
    origin = [0] * g.axes

    def transform(place: tuple[slice, slice, slice], worker: Transformer) -> None:
        spectra = worker.transform(kernels[place], origin, g.kernel_size, g.dilation, scale(plan.lengths))
        if is_forward:
            np.conjugate(spectra, out=spectra)
        groups, outputs, inputs = place
        if g.is_depthwise:
            factors[:, groups] = spectra[:, 0, 0].T
            return
        # (groups, outputs, inputs, frequencies) to (frequencies, groups, summed over, of the result)
        spectra = spectra.transpose(3, 0, 2, 1) if is_forward else spectra.transpose(3, 0, 1, 2)
        pair = factors[:, groups, inputs, :, outputs] if is_forward else factors[:, groups, outputs, :, inputs]
        pair[..., 0, :] = spectra
        np.multiply(spectra.imag, -1, out=pair[..., 1, :].real)  # np.negative errs with strides, in NumPy 2.4
        pair[..., 1, :].imag = spectra.real

    spread(transform, plan.kernel_slices, workers)
    return factors


def _multiply(spectra: Array, factors: Array, out: Array, plan: FftPlan) -> None:
    """Write the products of (frequencies, tiles, channels) spectra, summed over the channels of each group."""
    g, dtype = plan.geometry, plan.problem.dtype
    tiles = spectra.shape[1]

    def multiply(some: slice, _: Transformer | None) -> None:
        if g.is_depthwise:
            np.multiply(spectra[some], factors[some, None], out=out[some])
            return
        left = spectra[some].view(dtype).reshape(-1, tiles, g.groups, 2 * factors.shape[2])
        target = out[some].view(dtype).reshape(-1, tiles, g.groups, 2 * factors.shape[4])
        right = factors[some].view(dtype).reshape(-1, g.groups, left.shape[-1], target.shape[-1])
        np.matmul(left.transpose(0, 2, 1, 3), right, out=target.transpose(0, 2, 1, 3))

    spread(multiply, plan.frequency_slices, [None] * plan.workers)


# --- registration ---------------------------------------------------------------------------------------------------


def refusal(problem: ConvProblem) -> str | None:
    """Refuse kernels of one tap, for which a transform has no use."""
    if prod(problem.geometry.kernel_size) == 1:
        return "a kernel of one tap is a matrix product"
    return None


def cost(problem: ConvProblem) -> Cost:
    """The cost of the tiles that are predicted to be fastest."""
    return predict(make_plan(problem))


ALGORITHM = register(
    ConvAlgorithm(
        name="fft",
        summary="products of spectra, tile by tile",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
        refusal=refusal,
    )
)
