"""What a product with the matrix of windows costs, in each form of that matrix, on one thread."""

from math import prod

from sevenloops.conv.column_product import (
    Rows,
    Whole,
    adds_across_images,
    form_of,
    lays_side_by_side,
    sums_over_images,
)
from sevenloops.conv.cost import Cost, calls, copy, gemm, passes, runs
from sevenloops.conv.problem import ConvProblem

__all__ = ["matrix_bytes", "strip_cost"]


def strip_cost(problem: ConvProblem) -> Cost:
    """Return the cost of one product, with what it allocates but for the weights' copy."""
    g, size, form = problem.geometry, problem.itemsize, form_of(problem)
    depth, rows = g.group_in * g.taps, g.batch * g.pixels
    windows = g.in_channels * g.taps * rows
    outputs = g.out_channels * rows
    laid_out = 0 if form is Whole or (g.is_pointwise and problem.direction == "forward") else windows
    across = form is Rows and problem.direction == "input_grad" and adds_across_images(g)
    block = g.batch * g.in_channels * prod(g.span) if g.is_padded or across else 0
    merged = form is Rows and problem.direction != "input_grad" and lays_side_by_side(g)
    if form is not Rows:
        run, sides, count = g.in_channels * g.kernel_size[-1], (g.out_channels, rows, depth), 1
    elif across or merged or (problem.direction == "weight_grad" and not sums_over_images(g)):
        run, sides, count = g.output_size[-1], (g.group_out, rows, depth), g.groups
    else:
        run, sides, count = g.output_size[-1], (g.group_out, g.pixels, depth), g.groups * g.batch
    out, positions, inner = sides
    if problem.direction == "input_grad":
        # The columns are read once, and what they are added to is read and written.
        run = run * g.batch if across else run
        total = gemm(inner, positions, out, size, count) + passes(windows, 3, size) + runs(windows / run)
        total += calls(3 * g.taps if form is not Whole else 0) + copy(outputs if across else 0, 1, size)
        held = windows + block + outputs  # which are copied too where their strides are no matrix's
    elif problem.direction == "weight_grad":
        weights = prod(g.weight_shape)
        total = gemm(out, inner, positions, size, count) + copy(laid_out, run, size)
        # The outputs' gradients are copied to put images side by side, and where their strides are no matrix's.
        held = laid_out + block + weights * (1 if form is Whole else 2) + outputs
        if form is Rows:
            if sums_over_images(g):
                total += passes(weights * g.batch, 2, size)
                held += weights * g.batch
            else:
                total += copy(outputs, g.pixels, size)
    else:
        total = gemm(out, positions, inner, size, count) + copy(laid_out, run, size)
        total += copy(outputs if merged else 0, g.pixels, size)
        held = laid_out + block + (outputs if merged else 0)
    return (total + passes(block, 2, size) + calls(12)).within(held * size)


def matrix_bytes(problem: ConvProblem) -> int:
    """Return the bytes of the weights' copy in the form's order; not every layout of the weights needs one."""
    return prod(problem.geometry.weight_shape) * problem.itemsize
