"""The affine map on plain arrays: y = x·Wᵀ + b for rows x, and its three gradients; each is one matrix product.

Kernels: `out` is written, nothing is checked. x is (M, I), weight (O, I), bias (O,), grad and y are (M, O).
"""

from collections.abc import Callable

import numpy as np

from sevenloops import backends
from sevenloops.arrays import Array
from sevenloops.products import matmul_into

__all__ = ["kernel", "linear", "linear_bias_grad", "linear_input_grad", "linear_weight_grad"]


def linear(x: Array, weight: Array, bias: Array | None, out: Array) -> None:
    """Write x·Wᵀ + b, (M, O)."""
    matmul_into(x, weight.T, out)
    if bias is not None:
        out += bias


def linear_input_grad(grad: Array, weight: Array, out: Array) -> None:
    """Write grad·W, (M, I)."""
    matmul_into(grad, weight, out)


def linear_weight_grad(grad: Array, x: Array, out: Array) -> None:
    """Write gradᵀ·x, (O, I)."""
    matmul_into(grad.T, x, out)


def linear_bias_grad(grad: Array, out: Array) -> None:
    """Write the sum of the rows, (O,)."""
    # As a product with ones: BLAS adds rows twice as fast as np.sum does along the first axis.
    np.matmul(np.ones(len(grad), grad.dtype), grad, out=out)


backends.register("linear", "forward", "numpy", linear)
backends.register("linear", "input_grad", "numpy", linear_input_grad)
backends.register("linear", "weight_grad", "numpy", linear_weight_grad)
backends.register("linear", "bias_grad", "numpy", linear_bias_grad)
for _direction, _name in (
    ("forward", "linear"),
    ("input_grad", "linear_input_grad"),
    ("weight_grad", "linear_weight_grad"),
):
    backends.register("linear", _direction, "jit", f"sevenloops.affine.machine:{_name}")


def kernel(direction: str) -> Callable[..., None]:
    """Return the kernel of a direction on the backend in use: "forward", "input_grad", "weight_grad", "bias_grad"."""
    return backends.find("linear", direction)
