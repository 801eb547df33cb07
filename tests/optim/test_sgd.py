"""Step by step against the formulas, element by element in Python floats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops import optim
from sevenloops.nn import Parameter


def oracle(start, gradients, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """Yield the value after each step, for one element."""
    p, b = start, None
    for g in gradients:
        d = (-g if maximize else g) + weight_decay * p
        if momentum:
            b = d if b is None else momentum * b + (1 - dampening) * d
            d = d + momentum * b if nesterov else b
        p = p - lr * d
        yield p


options = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 2),
        "momentum": st.sampled_from([0.0, 0.5, 0.9, 1.5]),
        "dampening": st.sampled_from([0.0, 0.3, 1.0]),
        "weight_decay": st.sampled_from([0.0, 0.01, 0.5]),
        "nesterov": st.booleans(),
        "maximize": st.booleans(),
    }
).filter(lambda o: not o["nesterov"] or (o["momentum"] and not o["dampening"]))


@given(options=options, seed=st.integers(0, 2**32), steps=st.integers(1, 6))
def test_every_step_is_the_formula(options, seed, steps):
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=(3, 2)), rng.normal(size=(steps, 3, 2))
    parameter = Parameter(start)
    optimizer = optim.SGD([parameter], **options)
    expected = np.empty((steps, 3, 2))
    for place in np.ndindex(3, 2):
        expected[(slice(None), *place)] = list(oracle(start[place], grads[(slice(None), *place)], **options))
    scale = max(1.0, np.abs(expected).max())
    for step in range(steps):
        parameter.grad = grads[step].copy()
        optimizer.step()
        np.testing.assert_allclose(parameter.data, expected[step], rtol=0, atol=1e-13 * scale)
        np.testing.assert_array_equal(parameter.grad, grads[step])


def test_defaults_are_pytorchs():
    group = optim.SGD([Parameter(np.ones(1))]).param_groups[0]
    del group["params"]
    assert group == {
        "lr": 1e-3,
        "momentum": 0,
        "dampening": 0,
        "weight_decay": 0,
        "nesterov": False,
        "maximize": False,
    }


def test_the_order_of_the_arguments_is_pytorchs():
    group = optim.SGD([Parameter(np.ones(1))], 0.1, 0.2, 0.3, 0.4, False).param_groups[0]
    assert [group[name] for name in ("lr", "momentum", "dampening", "weight_decay")] == [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_only_momentum_keeps_an_array(momentum):
    parameter = Parameter(np.ones(3))
    optimizer = optim.SGD([parameter], momentum=momentum)
    parameter.grad = np.ones(3)
    optimizer.step()
    assert optimizer.state.keys() == ({parameter} if momentum else set())
    if momentum:
        assert optimizer.state[parameter].keys() == {"momentum_buffer"}


@pytest.mark.parametrize(
    "options",
    [{"nesterov": True}, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, {"nesterov": True, "dampening": 0.1}],
)
def test_nesterov_needs_momentum_and_no_dampening(options):
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0 and a dampening of 0"):
        optim.SGD([Parameter(np.ones(1))], **options)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": -0.1}, ValueError, "lr must be at least 0 and finite, but got -0.1"),
        ({"lr": float("nan")}, ValueError, "lr .* nan"),
        ({"lr": float("inf")}, ValueError, "lr .* inf"),
        ({"lr": "0.1"}, TypeError, "lr must be a number, but got '0.1'"),
        ({"lr": None}, TypeError, "lr .* None"),
        ({"momentum": -1}, ValueError, "momentum"),
        ({"dampening": -1}, ValueError, "dampening"),
        ({"weight_decay": -1}, ValueError, "weight_decay"),
        ({"nesterov": 1}, TypeError, "nesterov"),
        ({"momentum": True}, TypeError, "momentum"),
    ],
)
def test_bad_options_are_named(options, error, words):
    with pytest.raises(error, match=words):
        optim.SGD([Parameter(np.ones(1))], **options)
