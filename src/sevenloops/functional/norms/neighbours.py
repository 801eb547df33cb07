"""Local response normalisation, for arrays and Tensors."""

from typing import Any

from sevenloops import runtime
from sevenloops.arrays import Array, ArrayLike, compute_dtype, float_array, narrow
from sevenloops.autograd import Operation, Tensor, apply
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import finite, integer
from sevenloops.norm import kernel

__all__ = ["LOCAL_RESPONSE_NORM", "local_response_norm"]


def _forward(x: Any, **options: Any) -> tuple[Array, Array]:
    x = float_array("input", x)
    if x.ndim < 3:
        raise ShapeError(f"input must be (N, C, *spatial), but its shape is {x.shape}; add the missing axes.")
    wide = x.astype(compute_dtype(x.dtype), copy=False)
    y = runtime.empty_like(wide)
    kernel("local_response_norm", "forward")(wide, **options, out=y)
    return narrow(y, x.dtype), x


def _vjp(grad: Array, saved: Array, needs: tuple[bool, ...], **options: Any) -> tuple[Array]:
    x = saved.astype(compute_dtype(saved.dtype), copy=False)
    dx = runtime.empty_like(x)
    kernel("local_response_norm", "gradient")(grad.astype(x.dtype, copy=False), x, **options, out=dx)
    return (narrow(dx, saved.dtype),)


#: Attributes: size, alpha, beta, k.
LOCAL_RESPONSE_NORM = Operation("local_response_norm", _forward, _vjp)


def local_response_norm(
    input: Tensor | ArrayLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """Divide each value by a power of the mean square of its neighbours in the channels beside it.

    y[n, c, …] = x[n, c, …] · (k + alpha / size · Σ_j x[n, j, …]²)^(-beta)

    with j from c - size // 2 to c + (size - 1) // 2, as far as there are channels.

    Parameters
    ----------
    input : ndarray or Tensor, (N, C, *spatial)
        float16, float32 or float64; at least one spatial axis.
    size : int
        How many channels count.
    alpha, beta, k : float

    Returns
    -------
    ndarray or Tensor, (N, C, *spatial)
        The dtype and memory order of the input.

    Raises
    ------
    ShapeError
        If the input has fewer than three axes, or size is less than 1.
    TypeError
        If the dtype is not one of the above.
    ValueError
        If alpha, beta or k is not a finite number.

    References
    ----------
    A. Krizhevsky, I. Sutskever and G. E. Hinton, "ImageNet classification with deep convolutional neural networks",
    2012, section 3.3.

    Examples
    --------
    >>> import numpy as np, sevenloops as sl
    >>> sl.local_response_norm(np.full((1, 3, 1), 2.0), 3, alpha=3.0, beta=1.0).round(4)[0, :, 0]
    array([0.2222, 0.1538, 0.2222])
    """
    return apply(
        LOCAL_RESPONSE_NORM,
        input,
        size=integer("size", size, 1),
        alpha=finite("alpha", alpha),
        beta=finite("beta", beta),
        k=finite("k", k),
    )
