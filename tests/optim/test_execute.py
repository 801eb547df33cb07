"""Parameters of any memory order, dtype and size, in blocks and without temporaries."""

import tracemalloc

import numpy as np
import pytest

from sevenloops import optim
from sevenloops.autograd import Tensor
from sevenloops.nn import Parameter
from sevenloops.optim import execute
from tests.helpers.optimizers import every, parameters, run

SHAPE = (4, 3, 2, 5)
MEMORY = {
    "contiguous": np.copy,
    "fortran": np.asfortranarray,
    "channels last": lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda a: np.repeat(a, 2, 1)[:, ::2],
    "part": lambda a: np.pad(a, 1)[1:-1, 1:-1, 1:-1, 1:-1],
}
GRADIENTS = {
    "alike": lambda g, p: np.copy(g, order="K"),
    "fortran": lambda g, p: np.asfortranarray(g),
    "strided": lambda g, p: np.repeat(g, 2, 1)[:, ::2],
    "broadcast": lambda g, p: np.broadcast_to(g[:1], g.shape),
}


@pytest.fixture
def numpy_alone(monkeypatch):
    """Machine code, which takes memory without gaps, adds and multiplies in one rounding."""
    monkeypatch.setenv("SEVENLOOPS_BACKEND", "numpy")


@every
@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_any_memory_gives_the_same_bits(make, memory, gradient, numpy_alone):
    start, grads = np.random.default_rng(0).normal(size=SHAPE), np.random.default_rng(1).normal(size=(3, *SHAPE))
    plain, other = Parameter(start), Tensor(start.copy(), requires_grad=True)
    held = other.data = MEMORY[memory](start)
    optimizers = make([plain]), make([other])
    for grad in grads:
        other.grad = GRADIENTS[gradient](grad, other.data)
        other.grad.flags.writeable = False
        plain.grad = np.array(other.grad, order="C")
        for optimizer in optimizers:
            optimizer.step()
        np.testing.assert_array_equal(other.data, plain.data)
    assert other.data is held


@pytest.mark.parametrize("memory", MEMORY)
def test_memory_without_gaps_is_used_as_it_is(memory):
    """Whatever the order of its axes; what has gaps is copied to memory that is kept."""
    p = Tensor(MEMORY[memory](np.ones(SHAPE)), requires_grad=True)
    p.grad = np.ones_like(p.data)  # which has the same order, and no gaps
    optimizer = optim.Adam([p])
    optimizer.step()
    copied = {role for role, _ in optimizer._executor._memory} - {"work"}
    assert copied == (set() if memory in {"contiguous", "fortran", "channels last"} else {"data"})


@every
@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 14, 15, 50])
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_are_one_array(make, size, order, monkeypatch):
    start = np.random.default_rng(0).normal(size=(2, size))
    whole, cut = (Tensor(np.array(start, order=order), requires_grad=True) for _ in range(2))
    expected = run(make([whole]), [whole], 3)
    monkeypatch.setattr(execute, "_BLOCK", 7)
    np.testing.assert_array_equal(run(make([cut]), [cut], 3), expected)


@every
def test_the_buffers_follow_a_parameter_that_gets_other_memory(make, numpy_alone):
    """As `Module.load_state_dict` or the user may give it, between two steps."""
    start = np.random.default_rng(0).normal(size=(4, 5))
    kept, changed = (Tensor(start.copy(), requires_grad=True) for _ in range(2))
    optimizers = make([kept]), make([changed])
    for step in range(4):
        if step == 2:
            changed.data = np.asfortranarray(changed.data)
        for p, optimizer in zip((kept, changed), optimizers, strict=True):
            run(optimizer, [p], 1, seed=step)
        np.testing.assert_array_equal(changed.data, kept.data)


@every
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_smaller_dtypes_follow_float64(make, dtype):
    params, wide = parameters(dtype), [Parameter(p.data.astype(np.float64)) for p in parameters(dtype)]
    optimizers = make(params, lr=0.01), make(wide, lr=0.01)
    rng = np.random.default_rng(1)
    for _ in range(10):
        for p, w in zip(params, wide, strict=True):
            p.grad = np.asarray(rng.normal(size=p.shape)).astype(dtype)
            w.grad = p.grad.astype(np.float64)
        for optimizer in optimizers:
            optimizer.step()
    for p, w in zip(params, wide, strict=True):
        assert p.data.dtype == dtype
        assert p.grad.dtype == dtype
        np.testing.assert_allclose(p.data, w.data, rtol=0, atol=10 * np.finfo(dtype).eps * 3)


@every
@pytest.mark.parametrize("order", ["C", "F"])
def test_float16_is_float32_rounded_after_each_step(make, order, numpy_alone):
    half = Tensor(np.array(np.random.default_rng(0).normal(size=(4, 5)), np.float16, order=order), requires_grad=True)
    single = Parameter(half.data.astype(np.float32))
    optimizers = make([half]), make([single])
    for step in range(4):
        run(optimizers[0], [half], 1, seed=step)
        single.grad = half.grad.astype(np.float32)
        optimizers[1].step()
        np.testing.assert_array_equal(half.data, single.data.astype(np.float16))
        single.data[...] = half.data


def test_float16_is_computed_in_float32():
    """In float16 Adam's ε of 1e-8 would be 0, and the square of a small gradient too: 0 / 0."""
    p = Parameter(np.ones(2, np.float16))
    optimizer = optim.Adam([p], lr=0.125)
    p.grad = np.array([1e-5, 0], np.float16)
    optimizer.step()
    np.testing.assert_array_equal(p.data, np.array([0.875, 1], np.float16))
    assert optimizer.state[p]["exp_avg_sq"].dtype == np.float32


@every
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_step_allocates_nothing(make, dtype, order):
    """Not once all buffers are there, but for small Python objects; the memory to work in is of one block."""
    shape = (400, 400)
    p = Tensor(np.zeros(shape, dtype, order=order), requires_grad=True)
    p.grad = np.ones(shape, dtype, order=order)
    optimizer = make([p])
    optimizer.step()
    tracemalloc.start()
    try:
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000


@every
def test_the_memory_to_work_in_is_of_a_block(make):
    p = Parameter(np.zeros(20 * execute._BLOCK, np.float32))
    p.grad = np.ones_like(p.data)
    optimizer = make([p])
    buffers = len(optimizer.update.buffers(optimizer.param_groups[0]))
    tracemalloc.start()
    try:
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < buffers * p.data.nbytes + 2 * 4 * execute._BLOCK + 20_000
