"""im2col: the whole matrix of windows, by strides, and one matrix product; its adjoint col2im by slices."""

from sevenloops.arrays import Array
from sevenloops.conv.column_cost import matrix_bytes, strip_cost
from sevenloops.conv.column_product import form_of
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import ConvProblem, Epilogue
from sevenloops.conv.registry import ConvAlgorithm, register

__all__ = ["ALGORITHM"]


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


def cost(problem: ConvProblem) -> Cost:
    """One product for the whole, on one thread."""
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
