"""The fully connected layer's kernels on the backend "jit", called as those in `sevenloops.affine`."""

import numpy as np

from sevenloops import affine, runtime
from sevenloops.arrays import Array
from sevenloops.jit.planning import linear as planned

__all__ = ["linear", "linear_input_grad", "linear_weight_grad"]

# Multiply-adds below which a product is over before a kernel's arguments are packed.
_SMALL = 200_000

# Rows below which packing the weights for a gradient takes longer than BLAS takes for the product.
_FEW_ROWS = 16


def linear(x: Array, weight: Array, bias: Array | None, out: Array) -> None:
    """Write x·Wᵀ + b, (M, O)."""
    given = (x, weight, out) if bias is None else (x, weight, bias, out)
    if _is_product(x, weight.T, out) and planned.accepts(*given) and _adjacent(out):
        planned.forward(x, weight, bias, out, runtime.get_num_threads())
    else:
        affine.linear(x, weight, bias, out)


def linear_input_grad(grad: Array, weight: Array, out: Array) -> None:
    """Write grad·W, (M, I)."""
    if (
        len(grad) >= _FEW_ROWS
        and _is_product(grad, weight, out)
        and planned.accepts(grad, weight, out)
        and _adjacent(out)
    ):
        planned.input_grad(grad, weight, out, runtime.get_num_threads())
    else:
        affine.linear_input_grad(grad, weight, out)


def linear_weight_grad(grad: Array, x: Array, out: Array) -> None:
    """Write gradᵀ·x, (O, I)."""
    if len(grad) >= _FEW_ROWS and _is_product(grad.T, x, out) and planned.accepts(grad, x, out):
        if not _adjacent(grad):
            grad = np.ascontiguousarray(grad)
        planned.weight_grad(grad, x, out, runtime.get_num_threads())
    else:
        affine.linear_weight_grad(grad, x, out)


def _is_product(a: Array, b: Array, out: Array) -> bool:
    return out.size * a.shape[1] > _SMALL and a.dtype == b.dtype == out.dtype


def _adjacent(array: Array) -> bool:
    return array.strides[1] == array.itemsize or array.shape[1] == 1
