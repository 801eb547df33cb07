"""Clipping: gradients made smaller where they are too large, between ``backward()`` and the optimizer's step."""

import math
from collections.abc import Iterable, Iterator
from typing import SupportsFloat, SupportsIndex

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.autograd import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

#: So many elements are made float64 at a time.
_BLOCK = 1 << 14


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients, together and in place, so that their norm is at most `max_norm`.

    The norm is that of all gradients as one vector. With its value n, each gradient is multiplied by
    max_norm / (n + 1e-6), where that is less than 1.

    Parameters
    ----------
    parameters : Tensor, or iterable of Tensor
        Those without a gradient are passed over; one that is there twice counts once.
    max_norm : float
        At least 0; infinity leaves the gradients as they are.
    norm_type : float
        p of the p-norm, more than 0; infinity for the largest absolute value.
    error_if_nonfinite : bool
        Whether a norm that is NaN or infinite is an error. Otherwise the factor is NaN, or 0, and shows in the
        gradients.

    Returns
    -------
    float
        The norm as it was, computed in float64.

    Raises
    ------
    TypeError
        If a parameter is not a Tensor, or a number none.
    ValueError
        If `max_norm` or `norm_type` is out of range.
    RuntimeError
        If `error_if_nonfinite`, and the norm is not finite; nothing is changed then.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", arXiv 1211.5063.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> p = nn.Parameter(np.zeros(2))
    >>> p.grad = np.array([3.0, 4.0])
    >>> optim.clip_grad_norm_([p], 1.0)
    5.0
    >>> p.grad.round(4)
    array([0.6, 0.8])
    """
    limit, order = _at_least_zero("max_norm", max_norm), _at_least_zero("norm_type", norm_type)
    if not order:
        raise ValueError(f"norm_type must be more than 0, but got {norm_type}.")
    tensors = _with_gradient(parameters)
    norm = _norm([gradient for _, gradient in tensors], order)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"The {order:g}-norm of the gradients must be finite to clip them, but it is {norm}; with "
            f"error_if_nonfinite=False they are scaled all the same."
        )
    factor = limit / (norm + 1e-6)
    if not factor >= 1:
        done: set[int] = set()
        for tensor, gradient in tensors:
            if id(gradient) not in done:  # two parameters may share one
                done.add(id(gradient))
                tensor.grad = _writeable(gradient)
                with np.errstate(invalid="ignore"):  # 0 times infinity
                    np.multiply(tensor.grad, factor, out=tensor.grad)
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of every gradient into -clip_value … clip_value, in place; NaN stays.

    Parameters
    ----------
    parameters : Tensor, or iterable of Tensor
        Those without a gradient are passed over.
    clip_value : float
        At least 0.

    Raises
    ------
    TypeError
        If a parameter is not a Tensor, or `clip_value` no number.
    ValueError
        If `clip_value` is negative or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> p = nn.Parameter(np.zeros(3))
    >>> p.grad = np.array([3.0, -4.0, 0.5])
    >>> optim.clip_grad_value_([p], 1.0)
    >>> p.grad
    array([ 1. , -1. ,  0.5])
    """
    limit = _at_least_zero("clip_value", clip_value)
    for tensor, gradient in _with_gradient(parameters):
        tensor.grad = _writeable(gradient)
        np.clip(gradient, -limit, limit, out=tensor.grad)


def _at_least_zero(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (SupportsFloat, SupportsIndex)):
        raise TypeError(f"{name} must be a number, but got {value!r}.")
    number = float(value)
    if not number >= 0:
        raise ValueError(f"{name} must be at least 0, but got {value}.")
    return number


def _with_gradient(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Array]]:
    """Return the parameters that have a gradient, each once."""
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for place, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"parameters must be Tensors, but parameters[{place}] is a {type(tensor).__name__}.")
        if not isinstance(tensor.grad, (np.ndarray, type(None))):
            raise TypeError(
                f"Gradients must be arrays, but that of parameters[{place}] is a {type(tensor.grad).__name__}; "
                f"assign an array to .grad, as tensor.numpy() returns it."
            )
    return [(tensor, tensor.grad) for tensor in dict.fromkeys(tensors) if tensor.grad is not None]


def _writeable(gradient: Array) -> Array:
    """Return the gradient itself, or a copy where its memory is read-only."""
    return gradient if gradient.flags.writeable else gradient.copy(order="K")


def _norm(gradients: list[Array], order: float) -> float:
    """Return the p-norm of all elements; where powers leave float64, they are taken of what the largest is 1 of."""
    if order == math.inf:
        return _largest(gradients)
    total, unit = _sum_of_powers(gradients, order, 1.0), 1.0
    if not 1e-290 < total < math.inf:
        unit = _largest(gradients)
        if not 0 < unit < math.inf:
            return unit
        total = _sum_of_powers(gradients, order, unit)
    with np.errstate(over="ignore"):
        return float(np.power(total, 1 / order) * unit)


def _sum_of_powers(gradients: list[Array], order: float, unit: float) -> float:
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for block in _blocks(gradients):
            if unit != 1:
                block /= unit
            if order == 2:
                total += float(block.dot(block))
            else:
                np.abs(block, out=block)
                total += float((block if order == 1 else np.power(block, order, out=block)).sum())
    return total


def _largest(gradients: list[Array]) -> float:
    """Return the largest absolute value, or NaN if there is one."""
    largest = np.float64(0)
    for block in _blocks(gradients):
        largest = np.maximum(largest, np.abs(block, out=block).max())
    return float(largest)


def _blocks(gradients: list[Array]) -> Iterator[Array]:
    """Yield all elements as float64, a block at a time, in memory that the caller may overwrite."""
    memory = runtime.empty((min(_BLOCK, max((g.size for g in gradients), default=0)),), np.float64)
    for gradient in gradients:
        flat = gradient.ravel(order="K")
        for start in range(0, flat.size, _BLOCK):
            part = flat[start : start + _BLOCK]
            block = memory[: part.size]
            np.copyto(block, part)
            yield block
