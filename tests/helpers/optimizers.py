"""Every optimizer in each of its forms, for tests of what they all must do."""

import numpy as np
import pytest

from sevenloops import optim
from sevenloops.nn import Parameter


def maker(cls, **fixed):
    return lambda params, **options: cls(params, **fixed | options)


MAKERS = {
    "SGD": maker(optim.SGD),
    "momentum": maker(optim.SGD, momentum=0.9, weight_decay=0.1),
    "dampened": maker(optim.SGD, momentum=0.9, dampening=0.4, maximize=True),
    "nesterov": maker(optim.SGD, momentum=0.9, nesterov=True),
    "Adam": maker(optim.Adam),
    "Adam, decayed": maker(optim.Adam, weight_decay=0.1, amsgrad=True),
    "AdamW": maker(optim.AdamW, maximize=True),
    "RMSprop": maker(optim.RMSprop),
    "RMSprop, centered": maker(optim.RMSprop, centered=True, momentum=0.9, weight_decay=0.1),
    "Adagrad": maker(optim.Adagrad, initial_accumulator_value=0.1, lr_decay=0.1),
}

#: Gives a test each of them as `make(params, **options)`.
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [Parameter(rng.normal(size=shape).astype(dtype)) for shape in ((3, 2), (5,), (), (0, 4))]


def run(optimizer, params, steps, seed=1):
    """Make steps by random gradients; return the values after them."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in params:
            p.grad = np.asarray(rng.normal(size=p.shape)).astype(p.dtype)
        optimizer.step()
    return [p.data.copy() for p in params]
