"""Step by step against the formulas, element by element in Python floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim
from sevenloops.nn import Parameter


def oracle(start, gradients, decoupled, lr, betas, eps, weight_decay, amsgrad, maximize):
    """Yield the value after each step, for one element."""
    p, m, v, largest = start, 0.0, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        d = -g if maximize else g
        if decoupled:
            p = p - lr * weight_decay * p
        else:
            d = d + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d * d
        largest = max(largest, v)
        under = (largest if amsgrad else v) / (1 - betas[1] ** t)
        p = p - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(under) + eps)
        yield p


options = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 2),
        "betas": st.tuples(st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.0, 0.5, 0.99, 0.999])),
        "eps": st.sampled_from([1e-8, 1e-3, 1.0]),
        "weight_decay": st.sampled_from([0.0, 0.01, 0.5]),
        "amsgrad": st.booleans(),
        "maximize": st.booleans(),
    }
)


@pytest.mark.parametrize("cls", [optim.Adam, optim.AdamW])
@given(options=options, seed=st.integers(0, 2**32), steps=st.integers(1, 6))
def test_every_step_is_the_formula(cls, options, seed, steps):
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=(3, 2)), rng.normal(size=(steps, 3, 2))
    parameter = Parameter(start)
    optimizer = cls([parameter], **options)
    expected = np.empty((steps, 3, 2))
    for place in np.ndindex(3, 2):
        values = oracle(start[place], grads[(slice(None), *place)], cls is optim.AdamW, **options)
        expected[(slice(None), *place)] = list(values)
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


def test_decoupled_decay_shrinks_alike_whatever_the_size_of_the_gradient():
    """Section 2 of the paper: a decay that is part of the gradient is divided by the gradient's size again."""
    start = np.full(3, 8.0)
    decayed, plain = Parameter(start), Parameter(start)
    optimizers = optim.AdamW([decayed], lr=0.5, weight_decay=0.25), optim.AdamW([plain], lr=0.5, weight_decay=0)
    decayed.grad = plain.grad = np.array([1e-3, 1.0, 1e3])
    for optimizer in optimizers:
        optimizer.step()
    np.testing.assert_allclose(plain.data - decayed.data, 0.5 * 0.25 * start, rtol=1e-12)


def test_adamw_is_adam_with_a_switch():
    params = [Parameter(np.ones(3)), Parameter(np.ones(3))]
    optimizers = (
        optim.AdamW(params[:1], weight_decay=0.1),
        optim.Adam(params[1:], weight_decay=0.1, decoupled_weight_decay=True),
    )
    for p, optimizer in zip(params, optimizers, strict=True):
        p.grad = np.array([1.0, -2.0, 0.0])
        optimizer.step()
    np.testing.assert_array_equal(params[0].data, params[1].data)


def test_defaults_are_pytorchs():
    for cls, decay in ((optim.Adam, 0), (optim.AdamW, 0.01)):
        group = cls([Parameter(np.ones(1))]).param_groups[0]
        del group["params"]
        assert group == {
            "lr": 1e-3,
            "betas": (0.9, 0.999),
            "eps": 1e-8,
            "weight_decay": decay,
            "amsgrad": False,
            "maximize": False,
            "decoupled_weight_decay": cls is optim.AdamW,
        }


@pytest.mark.parametrize("cls", [optim.Adam, optim.AdamW])
def test_the_order_of_the_arguments_is_pytorchs(cls):
    group = cls([Parameter(np.ones(1))], 0.1, (0.2, 0.3), 0.4, 0.5, True).param_groups[0]
    names = ("lr", "betas", "eps", "weight_decay", "amsgrad")
    assert [group[name] for name in names] == [0.1, (0.2, 0.3), 0.4, 0.5, True]


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
        ({"amsgrad": 1}, TypeError, "amsgrad"),
    ],
)
def test_bad_options_are_named(options, error, words):
    for cls in (optim.Adam, optim.AdamW):
        with pytest.raises(error, match=words):
            cls([Parameter(np.ones(1))], **options)
