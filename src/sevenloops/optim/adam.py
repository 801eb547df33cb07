"""Adam and AdamW."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.geometry.arguments import flag
from sevenloops.optim.optimizer import Optimizer, Params
from sevenloops.optim.options import not_negative, pair_below_one
from sevenloops.optim.update import Update, loss_gradient

__all__ = ["Adam", "AdamW"]


def _step(
    parameter: Array,
    gradient: Array,
    buffers: Mapping[str, Array],
    work: list[Array],
    count: int,
    first: bool,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
    decoupled_weight_decay: bool,
) -> None:
    scratch, changed = work
    beta1, beta2 = betas
    mean, square = buffers["exp_avg"], buffers["exp_avg_sq"]
    if decoupled_weight_decay and weight_decay:
        parameter *= 1 - lr * weight_decay
        weight_decay = 0.0
    gradient = loss_gradient(parameter, gradient, weight_decay, maximize, changed)
    mean *= beta1
    mean += np.multiply(gradient, 1 - beta1, out=scratch)
    square *= beta2
    np.multiply(gradient, gradient, out=scratch)
    scratch *= 1 - beta2
    square += scratch
    if amsgrad:
        square = np.maximum(buffers["max_exp_avg_sq"], square, out=buffers["max_exp_avg_sq"])
    # m / (√v / c + ε) is c·m / (√v + c·ε): one pass less over the memory
    correction = math.sqrt(1 - beta2**count)
    np.sqrt(square, out=scratch)
    scratch += eps * correction
    np.divide(mean, scratch, out=scratch)
    scratch *= lr * correction / (1 - beta1**count)
    parameter -= scratch


def _buffers(options: Mapping[str, Any]) -> tuple[str, ...]:
    return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if options["amsgrad"] else ("exp_avg", "exp_avg_sq")


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
    amsgrad : bool
        In place of v the largest v so far.
    maximize : bool
        Climb instead: -g in place of g.
    decoupled_weight_decay : bool
        As in `AdamW`.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to change, or an option is out of range; see `Optimizer`.

    References
    ----------
    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980. S. Reddi, S. Kale and
    S. Kumar, "On the convergence of Adam and beyond", arXiv 1904.09237 (AMSGrad).

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
        {
            "lr": not_negative,
            "betas": pair_below_one,
            "eps": not_negative,
            "weight_decay": not_negative,
            "amsgrad": flag,
            "maximize": flag,
            "decoupled_weight_decay": flag,
        },
        _step,
        _buffers,
        work=2,
        machine_code="adam",
    )

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )


class AdamW(Adam):
    """Adam whose weight decay is no part of the gradient: it shrinks all elements alike, however steep the loss.

    With the learning rate η and weight decay λ, in step t, for each parameter p with gradient g:

        p = p - η·λ·p
        m = β₁·m + (1 - β₁)·g
        v = β₂·v + (1 - β₂)·g²
        p = p - η · (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or groups of it: ``{"params": …, "lr": 0.1}`` with options of their own.
    lr, eps, weight_decay : float
        At least 0.
    betas : (float, float)
        From 0 to below 1.
    amsgrad : bool
        In place of v the largest v so far.
    maximize : bool
        Climb instead: -g in place of g.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to change, or an option is out of range; see `Optimizer`.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", arXiv 1711.05101.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> p = nn.Parameter(np.array([1.0, 1.0]))
    >>> optimizer = optim.AdamW([p], lr=0.1, weight_decay=0.5)
    >>> p.grad = np.array([2.0, -0.001])
    >>> optimizer.step()
    >>> p.data.round(4)
    array([0.85, 1.05])
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True
        )
