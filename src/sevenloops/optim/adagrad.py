"""Adagrad."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.geometry.arguments import flag
from sevenloops.optim.optimizer import Optimizer, Params
from sevenloops.optim.options import not_negative
from sevenloops.optim.update import Update, loss_gradient

__all__ = ["Adagrad"]


def _step(
    parameter: Array,
    gradient: Array,
    buffers: Mapping[str, Array],
    work: list[Array],
    count: int,
    first: bool,
    *,
    lr: float,
    lr_decay: float,
    weight_decay: float,
    initial_accumulator_value: float,
    eps: float,
    maximize: bool,
) -> None:
    scratch, changed = work
    total = buffers["sum"]
    if first:
        total.fill(initial_accumulator_value)
    gradient = loss_gradient(parameter, gradient, weight_decay, maximize, changed)
    total += np.multiply(gradient, gradient, out=scratch)
    np.sqrt(total, out=scratch)
    scratch += eps
    np.divide(gradient, scratch, out=scratch)
    scratch *= lr / (1 + (count - 1) * lr_decay)
    parameter -= scratch


def _buffers(options: Mapping[str, Any]) -> tuple[str, ...]:
    return ("sum",)


class Adagrad(Optimizer):
    """Adagrad: the more an element has moved, the shorter are its steps.

    With the learning rate η and weight decay λ, in step t, for each parameter p with gradient g:

        d = g + λ·p
        s = s + d²                   (s starts at initial_accumulator_value)
        p = p - η / (1 + (t - 1)·lr_decay) · d / (√s + ε)

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or groups of it: ``{"params": …, "lr": 0.1}`` with options of their own.
    lr, lr_decay, weight_decay, initial_accumulator_value, eps : float
        At least 0.
    maximize : bool
        Climb instead: -g in place of g.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to change, or an option is out of range; see `Optimizer`.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> p = nn.Parameter(np.array([1.0, 1.0]))
    >>> optimizer = optim.Adagrad([p], lr=0.1)
    >>> p.grad = np.array([2.0, -0.001])
    >>> optimizer.step()
    >>> p.data.round(4)
    array([0.9, 1.1])
    """

    update = Update(
        "optim/adagrad",
        {
            "lr": not_negative,
            "lr_decay": not_negative,
            "weight_decay": not_negative,
            "initial_accumulator_value": not_negative,
            "eps": not_negative,
            "maximize": flag,
        },
        _step,
        _buffers,
        work=2,
    )

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
                "maximize": maximize,
            },
        )
