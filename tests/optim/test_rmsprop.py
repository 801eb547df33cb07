"""Step by step against the formulas, element by element in Python floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim
from sevenloops.nn import Parameter


def oracle(start, gradients, lr, alpha, eps, weight_decay, momentum, centered, maximize):
    """Yield the value after each step, for one element."""
    p, v, m, b = start, 0.0, 0.0, 0.0
    for g in gradients:
        d = (-g if maximize else g) + weight_decay * p
        v = alpha * v + (1 - alpha) * d * d
        m = alpha * m + (1 - alpha) * d
        b = momentum * b + d / (math.sqrt(max(v - m * m, 0.0) if centered else v) + eps)
        p = p - lr * b
        yield p


options = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 2),
        "alpha": st.sampled_from([0.0, 0.5, 0.99]),
        "eps": st.sampled_from([1e-3, 1.0]),
        "weight_decay": st.sampled_from([0.0, 0.01, 0.5]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "centered": st.booleans(),
        "maximize": st.booleans(),
    }
).filter(lambda o: o["alpha"] or not o["centered"])  # else the variance is of one value: 0, but for its rounding


@given(options=options, seed=st.integers(0, 2**32), steps=st.integers(1, 6))
def test_every_step_is_the_formula(options, seed, steps):
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=(3, 2)), rng.normal(size=(steps, 3, 2))
    parameter = Parameter(start)
    optimizer = optim.RMSprop([parameter], **options)
    expected = np.empty((steps, 3, 2))
    for place in np.ndindex(3, 2):
        expected[(slice(None), *place)] = list(oracle(start[place], grads[(slice(None), *place)], **options))
    scale = max(1.0, np.abs(expected).max())
    for step in range(steps):
        parameter.grad = grads[step].copy()
        optimizer.step()
        np.testing.assert_allclose(parameter.data, expected[step], rtol=0, atol=1e-11 * scale)
        np.testing.assert_array_equal(parameter.grad, grads[step])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_variance_that_rounding_makes_negative_is_zero(dtype):
    """Gradients that stay alike have no variance; what is left of v - m² is noise of either sign."""
    grads = np.random.default_rng(0).normal(size=1000).astype(dtype)
    parameter = Parameter(np.zeros(1000, dtype))
    optimizer = optim.RMSprop([parameter], lr=1e-3, alpha=0.5, eps=1e-3, centered=True)
    parameter.grad = grads
    for _ in range(80):
        optimizer.step()
    kept = optimizer.state[parameter]
    assert (kept["square_avg"] - kept["grad_avg"] ** 2 < 0).any()
    assert np.isfinite(parameter.data).all()


def test_defaults_are_pytorchs():
    group = optim.RMSprop([Parameter(np.ones(1))]).param_groups[0]
    del group["params"]
    assert group == {
        "lr": 1e-2,
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0,
        "momentum": 0,
        "centered": False,
        "maximize": False,
    }


def test_the_order_of_the_arguments_is_pytorchs():
    group = optim.RMSprop([Parameter(np.ones(1))], 0.1, 0.2, 0.3, 0.4, 0.5, True).param_groups[0]
    names = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered")
    assert [group[name] for name in names] == [0.1, 0.2, 0.3, 0.4, 0.5, True]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, {"square_avg"}),
        ({"momentum": 0.5}, {"square_avg", "momentum_buffer"}),
        ({"centered": True}, {"square_avg", "grad_avg"}),
    ],
)
def test_only_what_is_needed_is_kept(options, kept):
    parameter = Parameter(np.ones(3))
    optimizer = optim.RMSprop([parameter], **options)
    parameter.grad = np.ones(3)
    optimizer.step()
    assert optimizer.state[parameter].keys() == {"step"} | kept


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"alpha": -0.1}, ValueError, "alpha must be from 0 to 1, but got -0.1"),
        ({"alpha": 1.1}, ValueError, "alpha"),
        ({"eps": -1}, ValueError, "eps"),
        ({"momentum": -1}, ValueError, "momentum"),
        ({"centered": "yes"}, TypeError, "centered"),
    ],
)
def test_bad_options_are_named(options, error, words):
    with pytest.raises(error, match=words):
        optim.RMSprop([Parameter(np.ones(1))], **options)
