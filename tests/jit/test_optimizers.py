"""Steps of optimizers in machine code: the definition in float64, many parameters at once, nothing outside them."""

import numpy as np
import pytest

from sevenloops import backends, nn, optim
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")

KINDS = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD, decay": (optim.SGD, {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    "SGD, momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01}),
    "SGD, Nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "Adam": (optim.Adam, {"lr": 0.01}),
    "Adam, AMSGrad": (optim.Adam, {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    "AdamW": (optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    "RMSprop": (optim.RMSprop, {"lr": 0.01, "weight_decay": 0.1}),
    "RMSprop, centered": (optim.RMSprop, {"lr": 0.01, "centered": True, "momentum": 0.9}),
}
SHAPES = [(1,), (3, 5), (), (0, 3), (16,), (17, 31), (6, 1, 5, 5), (120, 400), (2, 3, 8, 8)]


def run(kind, dtype, steps, backend, shapes=SHAPES, arrange=lambda a: a):
    """Return the parameters after some steps, with gradients of which every third step leaves one out."""
    make, options = KINDS[kind]
    rng = np.random.default_rng(0)
    parameters = [nn.Parameter(arrange(rng.standard_normal(s).astype(np.float32).astype(dtype))) for s in shapes]
    optimizer = make(parameters, **options)
    for step in range(steps):
        for number, parameter in enumerate(parameters):
            gradient = rng.standard_normal(parameter.shape).astype(np.float32).astype(dtype)
            parameter.grad = None if number == 3 and step % 3 == 0 else arrange(gradient)
        with backends.use_backend(backend):
            optimizer.step()
    return parameters, optimizer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_float64(kind, dtype):
    found, optimizer = run(kind, dtype, 7, "jit")
    expected, _ = run(kind, np.float64, 7, "numpy")
    eps = np.finfo(dtype).eps
    for a, b in zip(found, expected):
        # RMSprop divides by a gradient's size, which is near 0 now and then
        np.testing.assert_allclose(a.data, b.data, rtol=200 * eps, atol=(2e4 if "RMS" in kind else 100) * eps)
    assert all(v.dtype == dtype for s in optimizer.state.values() for v in s.values() if isinstance(v, np.ndarray))


@pytest.mark.parametrize("kind", ["SGD, momentum", "AdamW"])
def test_any_order_of_memory(kind):
    def turned(a):
        return np.asfortranarray(a) if a.ndim > 1 else a

    plain, _ = run(kind, np.float64, 3, "jit")
    other, _ = run(kind, np.float64, 3, "jit", arrange=turned)
    for a, b in zip(plain, other):
        np.testing.assert_array_equal(a.data, b.data)


def test_gradients_in_another_order_and_gaps_are_left_to_numpy():
    rng = np.random.default_rng(0)
    for arrange in (lambda a: np.asfortranarray(a), lambda a: np.repeat(a, 2, 1)[:, ::2], lambda a: a[::-1]):
        p = nn.Parameter(rng.standard_normal((5, 7)))
        before, g = p.data.copy(), rng.standard_normal((5, 7))
        p.grad = arrange(g)
        expected = before - 0.5 * p.grad
        optim.SGD([p], lr=0.5).step()
        np.testing.assert_allclose(p.data, expected, rtol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_outside_is_written(kind):
    make, options = KINDS[kind]
    with guarded((37, 9), np.float32) as memory:
        memory[...] = 1
        p = nn.Parameter(np.ones((37, 9), np.float32))
        p.data = memory
        p.grad = np.ones_like(memory)
        optimizer = make([p], **options)
        optimizer.step()
        assert (memory != 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_from_a_state_gives_the_same_bits(kind):
    shapes = [(3, 5), (70_000,)]
    whole, _ = run(kind, np.float32, 6, "jit", shapes)
    again, _ = run(kind, np.float32, 6, "jit", shapes)
    rng = np.random.default_rng(0)
    make, options = KINDS[kind]
    halves = [nn.Parameter(rng.standard_normal(s).astype(np.float32)) for s in shapes]
    optimizer = make(halves, **options)
    for step in range(6):
        if step == 3:
            state = optimizer.state_dict()
            optimizer = make(halves, **options)
            optimizer.load_state_dict(state)
        for p in halves:
            p.grad = rng.standard_normal(p.shape).astype(np.float32)
        optimizer.step()
    for a, b, c in zip(whole, again, halves):
        assert a.data.tobytes() == b.data.tobytes() == c.data.tobytes()


def test_groups_with_options_of_their_own():
    rng = np.random.default_rng(0)
    values, gradients = rng.standard_normal((2, 3, 40))
    parameters = [nn.Parameter(v.copy()) for v in values]
    groups = [
        {"params": parameters[:1], "lr": 0.1},
        {"params": parameters[1:2], "lr": 0.2, "momentum": 0.5},
        {"params": parameters[2:], "lr": 0.3},
    ]
    optimizer = optim.SGD(groups, lr=1.0)
    for p, g in zip(parameters, gradients):
        p.grad = g
    optimizer.step()
    for p, v, g, lr in zip(parameters, values, gradients, (0.1, 0.2, 0.3)):
        np.testing.assert_allclose(p.data, v - lr * g, rtol=1e-14)


def test_what_is_not_finite_shows():
    p = nn.Parameter(np.ones(40, np.float32))
    p.grad = np.ones(40, np.float32)
    p.grad[[3, 17]] = [np.nan, np.inf]
    optim.Adam([p], amsgrad=True).step()
    assert np.isnan(p.data[[3, 17]]).all()
    assert np.isfinite(np.delete(p.data, [3, 17])).all()
