"""Step by step against the formula, element by element in Python floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim
from sevenloops.nn import Parameter


def oracle(start, gradients, lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize):
    """Yield the value after each step, for one element."""
    p, s = start, initial_accumulator_value
    for t, g in enumerate(gradients, start=1):
        d = (-g if maximize else g) + weight_decay * p
        s = s + d * d
        p = p - lr / (1 + (t - 1) * lr_decay) * d / (math.sqrt(s) + eps)
        yield p


options = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 2),
        "lr_decay": st.sampled_from([0.0, 0.1]),
        "weight_decay": st.sampled_from([0.0, 0.5]),
        "initial_accumulator_value": st.sampled_from([0.0, 0.3]),
        "eps": st.sampled_from([1e-10, 1e-3]),
        "maximize": st.booleans(),
    }
)


@given(options=options, seed=st.integers(0, 2**32), steps=st.integers(1, 6))
def test_every_step_is_the_formula(options, seed, steps):
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=(3, 2)), rng.normal(size=(steps, 3, 2))
    parameter = Parameter(start)
    optimizer = optim.Adagrad([parameter], **options)
    expected = np.empty((steps, 3, 2))
    for place in np.ndindex(3, 2):
        expected[(slice(None), *place)] = list(oracle(start[place], grads[(slice(None), *place)], **options))
    scale = max(1.0, np.abs(expected).max())
    for step in range(steps):
        parameter.grad = grads[step].copy()
        optimizer.step()
        np.testing.assert_allclose(parameter.data, expected[step], rtol=0, atol=1e-12 * scale)
        np.testing.assert_array_equal(parameter.grad, grads[step])


def test_defaults_and_order_are_pytorchs():
    names = ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"]
    group = optim.Adagrad([Parameter(np.ones(1))]).param_groups[0]
    assert [group[name] for name in names] == [0.01, 0, 0, 0, 1e-10]
    group = optim.Adagrad([Parameter(np.ones(1))], 0.1, 0.2, 0.3, 0.4, 0.5).param_groups[0]
    assert [group[name] for name in names] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_bad_options_are_named():
    for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
        with pytest.raises(ValueError, match=f"{name} must be at least 0"):
            optim.Adagrad([Parameter(np.ones(1))], **{name: -1})
