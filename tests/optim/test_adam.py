"""Step by step against the formulas, element by element in Python floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim
from sevenloops.nn import Parameter


def oracle(start, gradients, lr, betas, eps, weight_decay):
    """Yield the value after each step, for one element."""
    p, m, v = start, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        d = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d * d
        p = p - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
        yield p


options = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 2),
        "betas": st.tuples(st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.0, 0.99, 0.999])),
        "eps": st.sampled_from([1e-8, 1e-3, 1.0]),
        "weight_decay": st.sampled_from([0.0, 0.01, 0.5]),
    }
)


@given(options=options, seed=st.integers(0, 2**32), steps=st.integers(1, 6))
def test_every_step_is_the_formula(options, seed, steps):
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=(3, 2)), rng.normal(size=(steps, 3, 2))
    parameter = Parameter(start)
    optimizer = optim.Adam([parameter], **options)
    expected = np.empty((steps, 3, 2))
    for place in np.ndindex(3, 2):
        expected[(slice(None), *place)] = list(oracle(start[place], grads[(slice(None), *place)], **options))
    scale = max(1.0, np.abs(expected).max())
    for step in range(steps):
        parameter.grad = grads[step].copy()
        optimizer.step()
        np.testing.assert_allclose(parameter.data, expected[step], rtol=0, atol=1e-12 * scale)
        np.testing.assert_array_equal(parameter.grad, grads[step])


def test_the_first_step_is_the_learning_rate_whatever_the_size_of_the_gradient():
    """That is what the correction of the bias does: without it the step would be 0.1 / √0.001 times as long."""
    parameter = Parameter(np.zeros(4))
    optimizer = optim.Adam([parameter], lr=0.25, eps=0)
    parameter.grad = np.array([1e-6, -1e-3, 1.0, -1e6])
    optimizer.step()
    np.testing.assert_allclose(parameter.data, [-0.25, 0.25, -0.25, 0.25], rtol=1e-12)


def test_defaults_are_pytorchs():
    group = optim.Adam([Parameter(np.ones(1))]).param_groups[0]
    del group["params"]
    assert group == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}


def test_the_order_of_the_arguments_is_pytorchs():
    group = optim.Adam([Parameter(np.ones(1))], 0.1, (0.2, 0.3), 0.4, 0.5).param_groups[0]
    assert [group[name] for name in ("lr", "betas", "eps", "weight_decay")] == [0.1, (0.2, 0.3), 0.4, 0.5]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": -1}, ValueError, "lr"),
        ({"eps": -1}, ValueError, "eps"),
        ({"weight_decay": -1}, ValueError, "weight_decay"),
        ({"betas": (0.9, 1.0)}, ValueError, r"betas\[1\] must be at least 0 and less than 1, but got 1\.0"),
        ({"betas": (-0.1, 0.5)}, ValueError, r"betas\[0\]"),
        ({"betas": (float("nan"), 0.5)}, ValueError, r"betas\[0\] .* nan"),
        ({"betas": 0.9}, TypeError, "betas must be a pair"),
        ({"betas": (0.9,)}, TypeError, "betas must be a pair"),
        ({"betas": ("0.9", 0.5)}, TypeError, r"betas\[0\]"),
    ],
)
def test_bad_options_are_named(options, error, words):
    with pytest.raises(error, match=words):
        optim.Adam([Parameter(np.ones(1))], **options)
