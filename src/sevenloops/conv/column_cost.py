"""What a product with the matrix of windows costs, in each form of that matrix, on one thread."""

from math import prod

from sevenloops.conv.column_product import Rows, Whole, form_of, lays_side_by_side
from sevenloops.conv.cost import Cost, calls, copy, gemm, passes
from sevenloops.conv.problem import ConvProblem

__all__ = ["matrix_bytes", "strip_cost"]


def strip_cost(problem: ConvProblem) -> Cost:
    """Return the cost of one product, with what it allocates but for the weights' copy."""
    g, size, form = problem.geometry, problem.itemsize, form_of(problem)
    depth, rows = g.group_in * g.taps, g.batch * g.pixels
    windows = g.in_channels * g.taps * rows
    outputs = g.out_channels * rows
    laid_out = 0 if form is Whole or (g.is_pointwise and problem.direction == "forward") else windows
    block = g.batch * g.in_channels * prod(g.span) if g.is_padded else 0
    if form is Rows:
        run, sides, count = g.output_size[-1], (g.group_out, g.pixels, depth), g.groups * g.batch
        if problem.direction == "weight_grad" or lays_side_by_side(g):
            sides, count = (g.group_out, rows, depth), g.groups
    else:
        run, sides, count = g.in_channels * g.kernel_size[-1], (g.out_channels, rows, depth), 1
    out, positions, inner = sides
    if problem.direction == "input_grad":
        # Columns are read, and added to what is read and written.
        moved = passes(windows, 3, size) + calls(3 * g.taps)
        total = gemm(inner, positions, out, size, count) + moved
        held = windows + block
    elif problem.direction == "weight_grad":
        total = gemm(out, inner, positions, size, count) + copy(laid_out, run, size)
        held = laid_out + block + prod(g.weight_shape) * (1 if form is Whole else 2)
        if form is Rows:
            total += copy(outputs, g.pixels, size)
            held += outputs
    else:
        total = gemm(out, positions, inner, size, count) + copy(laid_out, run, size)
        held = laid_out + block
        if form is Rows and lays_side_by_side(g):
            total += copy(outputs, g.pixels, size)
            held += outputs
    return (total + passes(block, 2, size) + calls(12)).within(held * size)


def matrix_bytes(problem: ConvProblem) -> int:
    """Return the bytes of the weights' copy in the form's order; not every layout of the weights needs one."""
    return prod(problem.geometry.weight_shape) * problem.itemsize
