"""RMSprop."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.geometry.arguments import flag
from sevenloops.optim.optimizer import Optimizer, Params
from sevenloops.optim.options import not_negative, proportion
from sevenloops.optim.update import Update, loss_gradient

__all__ = ["RMSprop"]


def _step(
    parameter: Array,
    gradient: Array,
    buffers: Mapping[str, Array],
    work: list[Array],
    count: int,
    first: bool,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
) -> None:
    scratch, changed = work
    square = buffers["square_avg"]
    gradient = loss_gradient(parameter, gradient, weight_decay, maximize, changed)
    square *= alpha
    np.multiply(gradient, gradient, out=scratch)
    scratch *= 1 - alpha
    square += scratch
    if centered:
        mean = buffers["grad_avg"]
        mean *= alpha
        mean += np.multiply(gradient, 1 - alpha, out=scratch)
        np.multiply(mean, mean, out=scratch)
        np.subtract(square, scratch, out=scratch)
        np.maximum(scratch, 0, out=scratch)  # no variance is negative, but rounding can make it so
        np.sqrt(scratch, out=scratch)
    else:
        np.sqrt(square, out=scratch)
    scratch += eps
    np.divide(gradient, scratch, out=scratch)
    if momentum:
        buffer = buffers["momentum_buffer"]
        buffer *= momentum
        buffer += scratch
        np.multiply(buffer, lr, out=scratch)
    else:
        scratch *= lr
    parameter -= scratch


def _buffers(options: Mapping[str, Any]) -> tuple[str, ...]:
    names = ["square_avg"]
    if options["centered"]:
        names.append("grad_avg")
    if options["momentum"]:
        names.append("momentum_buffer")
    return tuple(names)


class RMSprop(Optimizer):
    """RMSprop: each element moves by its gradient in units of its root mean square gradient.

    With the learning rate η, momentum μ and weight decay λ, for each parameter p with gradient g:

        d = g + λ·p
        v = α·v + (1 - α)·d²
        s = √v + ε                   (centered: m = α·m + (1 - α)·d and s = √(v - m²) + ε)
        b = μ·b + d / s              (d / s without momentum)
        p = p - η·b

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or groups of it: ``{"params": …, "lr": 0.1}`` with options of their own.
    lr, eps, weight_decay, momentum : float
        At least 0.
    alpha : float
        From 0 to 1.
    centered : bool
        Divide by the standard deviation of the gradient.
    maximize : bool
        Climb instead: -g in place of g.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to change, or an option is out of range; see `Optimizer`.

    Notes
    -----
    Of v - m², which rounding can make negative, at least 0 is taken; PyTorch takes the root of it, which is NaN.

    References
    ----------
    T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Coursera, 2012. A. Graves, "Generating sequences with recurrent
    neural networks", arXiv 1308.0850 (the centered form).

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> p = nn.Parameter(np.array([1.0, 1.0]))
    >>> optimizer = optim.RMSprop([p], lr=0.01)
    >>> p.grad = np.array([2.0, -0.001])
    >>> optimizer.step()
    >>> p.data.round(4)
    array([0.9, 1.1])
    """

    update = Update(
        "optim/rmsprop",
        {
            "lr": not_negative,
            "alpha": proportion,
            "eps": not_negative,
            "weight_decay": not_negative,
            "momentum": not_negative,
            "centered": flag,
            "maximize": flag,
        },
        _step,
        _buffers,
        work=2,
        machine_code="rmsprop",
    )

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )
