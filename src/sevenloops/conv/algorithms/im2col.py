"""im2col: the whole matrix of windows, by strides, and one matrix product; its adjoint col2im by slices."""

from math import prod

from sevenloops.arrays import Array
from sevenloops.conv.column_product import Pixels, Rows, column_bytes, form_of, padded_bytes
from sevenloops.conv.cost import Cost, calls, copy, gemm, passes
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register

__all__ = ["ALGORITHM", "matrix_bytes", "strip_cost"]


def forward(x: Array, weight: Array, out: Array, problem: ConvProblem, epilogue: Epilogue) -> None:
    """Lay out the windows and multiply them by the weights."""
    form, g = form_of(problem), problem.geometry
    form.forward(x, form.matrix(weight, g), out, g)
    epilogue.apply(out, 1)


def input_grad(grad_output: Array, weight: Array, out: Array, problem: ConvProblem) -> None:
    """Multiply by the transposed weights and add the columns up where they overlap."""
    form, g = form_of(problem), problem.geometry
    out[...] = 0
    form.input_grad(grad_output, form.matrix(weight, g), out, g)


def weight_grad(grad_output: Array, x: Array, out: Array, problem: ConvProblem) -> None:
    """Multiply the output gradients by the windows."""
    out[...] = form_of(problem).weight_grad(grad_output, x, problem.geometry)


def strip_cost(problem: ConvProblem) -> Cost:
    """Return the cost of one product on one thread, with what it allocates but for the weights' copy."""
    g, size, form = problem.geometry, problem.itemsize, form_of(problem)
    outputs = g.batch * g.out_channels * g.pixels
    windows = column_bytes(g, size) // size
    inputs = padded_bytes(g, size) // size
    run = g.output_size[-1] if form is Rows else g.in_channels * g.kernel_size[-1]
    depth = g.group_in * g.taps
    if problem.direction == "weight_grad":
        product = gemm(g.group_out, depth, g.batch * g.pixels, size, count=g.groups)
        extra = g.out_channels * depth * (2 if form is Pixels else 1)
        if form is Rows:
            product += copy(outputs, g.pixels, size)
            extra += outputs
            windows = g.batch * g.in_channels * g.taps * g.pixels  # also laid out anew where each is one element
    elif problem.direction == "input_grad":
        product = gemm(depth, g.pixels, g.group_out, size, count=g.groups * g.batch)
        windows = g.batch * g.in_channels * g.taps * g.pixels
        extra = 0
    else:
        product = gemm(g.group_out, g.pixels, depth, size, count=g.groups * g.batch)
        extra = outputs if form is Rows else 0
    overhead = calls(12 + (g.taps if problem.direction == "input_grad" else 0))
    total = product + copy(windows, run, size) + passes(inputs, 2, size) + overhead
    return total.within((windows + inputs + extra) * size)


def matrix_bytes(problem: ConvProblem) -> int:
    """Return the bytes of the weights' copy in the form's order; Rows needs one only if their layout is not ours."""
    return prod(problem.geometry.weight_shape) * problem.itemsize


def cost(problem: ConvProblem) -> Cost:
    """One product for the whole; copies run on one thread."""
    whole = strip_cost(problem)
    return whole.within(whole.workspace + matrix_bytes(problem))


ALGORITHM = register(
    ConvAlgorithm(
        name="im2col",
        summary="the matrix of all windows, by strides, and one matrix product",
        forward=forward,
        input_grad=input_grad,
        weight_grad=weight_grad,
        cost=cost,
    )
)
