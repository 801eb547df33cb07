"""Adam."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.optim.optimizer import Optimizer, Params
from sevenloops.optim.options import not_negative, pair_below_one
from sevenloops.optim.update import Update

__all__ = ["Adam"]


def _step(
    parameter: Array,
    gradient: Array,
    buffers: Mapping[str, Array],
    work: list[Array],
    count: int,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    scratch, decayed = work
    beta1, beta2 = betas
    mean, square = buffers["exp_avg"], buffers["exp_avg_sq"]
    if weight_decay:
        gradient = np.add(np.multiply(parameter, weight_decay, out=decayed), gradient, out=decayed)
    mean *= beta1
    mean += np.multiply(gradient, 1 - beta1, out=scratch)
    square *= beta2
    np.multiply(gradient, gradient, out=scratch)
    scratch *= 1 - beta2
    square += scratch
    np.sqrt(square, out=scratch)
    scratch /= math.sqrt(1 - beta2**count)
    scratch += eps
    np.divide(mean, scratch, out=scratch)
    scratch *= lr / (1 - beta1**count)
    parameter -= scratch


def _buffers(options: Mapping[str, Any]) -> tuple[str, ...]:
    return "exp_avg", "exp_avg_sq"


class Adam(Optimizer):
    """Adam: each element moves by its mean gradient in units of its root mean square gradient.

    With the learning rate η and weight decay λ, in step t, for each parameter p with gradient g:

        d = g + λ·p
        m = β₁·m + (1 - β₁)·d                   (both start at 0, which the divisions below make up for)
        v = β₂·v + (1 - β₂)·d²
        p = p - η · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or groups of it: ``{"params": …, "lr": 0.1}`` with options of their own.
    lr, eps, weight_decay : float
        At least 0.
    betas : (float, float)
        From 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to change, or an option is out of range; see `Optimizer`.

    References
    ----------
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> p = nn.Parameter(np.array([1.0, 1.0]))
    >>> optimizer = optim.Adam([p], lr=0.1)
    >>> p.grad = np.array([2.0, -0.001])
    >>> optimizer.step()
    >>> p.data.round(4)
    array([0.9, 1.1])
    """

    update = Update(
        "optim/adam",
        {"lr": not_negative, "betas": pair_below_one, "eps": not_negative, "weight_decay": not_negative},
        _step,
        _buffers,
        work=2,
    )

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
