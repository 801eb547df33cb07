"""Stochastic gradient descent, with momentum."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.geometry.arguments import flag
from sevenloops.optim.optimizer import Optimizer, Params
from sevenloops.optim.options import not_negative
from sevenloops.optim.update import Update, loss_gradient

__all__ = ["SGD"]


def _step(
    parameter: Array,
    gradient: Array,
    buffers: Mapping[str, Array],
    work: list[Array],
    count: int,
    first: bool,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    (scratch,) = work
    direction = loss_gradient(parameter, gradient, weight_decay, maximize, scratch)
    if momentum:
        buffer = buffers["momentum_buffer"]
        if first:
            np.copyto(buffer, direction)
        else:
            buffer *= momentum
            # Nesterov's form, which needs the direction again, has no dampening.
            buffer += np.multiply(direction, 1 - dampening, out=scratch) if dampening else direction
        if nesterov:  # d + μ·b is subtracted in two parts, since `direction` may be the only place to work in
            parameter -= np.multiply(direction, lr, out=scratch)
            lr *= momentum
        direction = buffer
    parameter -= np.multiply(direction, lr, out=scratch)


def _buffers(options: Mapping[str, Any]) -> tuple[str, ...]:
    return ("momentum_buffer",) if options["momentum"] else ()


def _together(options: Mapping[str, Any]) -> None:
    if options["nesterov"] and (not options["momentum"] or options["dampening"]):
        raise ValueError(
            f"nesterov needs a momentum above 0 and a dampening of 0, "
            f"but got momentum={options['momentum']} and dampening={options['dampening']}."
        )


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    With the learning rate η, momentum μ, dampening τ and weight decay λ, for each parameter p with gradient g:

        d = g + λ·p
        b = μ·b + (1 - τ)·d      (b = d in the first step)
        p = p - η·b              (p - η·(d + μ·b) with nesterov; p - η·d without momentum)

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or groups of it: ``{"params": …, "lr": 0.1}`` with options of their own.
    lr, momentum, dampening, weight_decay : float
        At least 0.
    nesterov : bool
        Needs a momentum and no dampening.
    maximize : bool
        Climb instead: -g in place of g.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to change, or an option is out of range; see `Optimizer`.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
    learning", 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sevenloops import nn, optim
    >>> p = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.SGD([p], lr=0.1)
    >>> p.grad = np.array([2.0])
    >>> optimizer.step()
    >>> p.data
    array([0.8])
    """

    update = Update(
        "optim/sgd",
        {
            "lr": not_negative,
            "momentum": not_negative,
            "dampening": not_negative,
            "weight_decay": not_negative,
            "nesterov": flag,
            "maximize": flag,
        },
        _step,
        _buffers,
        counts=False,
        together=_together,
        machine_code="sgd",
    )

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )
