"""The gradient of a bias in machine code: exact sums of integers, every length and order of memory."""

from itertools import product

import numpy as np
import pytest

from sevenloops import backends, runtime
from sevenloops.conv.bias import bias_grad, bias_grad_in_machine_code
from tests.jit.guarded import guarded

pytest.importorskip("llvmlite")

from sevenloops.jit import channel_sums

LAST = {3: (0, 2, 1), 4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}


@pytest.fixture
def threads():
    before = runtime.get_num_threads()
    yield runtime.set_num_threads
    runtime.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_equals_the_definition(dtype, count, threads, monkeypatch):
    threads(count)
    monkeypatch.setattr(channel_sums, "_WORTH_A_THREAD", 1)
    channel_sums._call.cache_clear()
    rng = np.random.default_rng(0)
    sizes = [
        (n, c, h, w) for n, (h, w) in product((1, 3), ((1, 1), (1, 2), (3, 7))) for c in (*range(1, 19), 31, 64, 65)
    ]
    sizes += [(2, c, 5) for c in (1, 3, 8, 17)] + [(2, c, 2, 3, 4) for c in (1, 3, 8, 17)]
    for shape in sizes:
        with guarded(shape, dtype, LAST[len(shape)]) as x:
            x[...] = rng.standard_normal(shape)
            assert channel_sums.accepts(x)
            result = bias_grad_in_machine_code(x)
            axes = (0, *range(2, len(shape)))
            size = np.abs(x.astype(np.float64)).sum(axes)
            assert (np.abs(result - x.astype(np.float64).sum(axes)) <= 8 * np.finfo(dtype).eps * size).all()
            assert (result.shape, result.dtype) == ((shape[1],), np.dtype(dtype))
            assert result.tobytes() == bias_grad_in_machine_code(x).tobytes()
    channel_sums._call.cache_clear()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_many_rows(count, threads):
    """Integers below 2^24 are summed exactly, in whatever order."""
    threads(count)
    rng = np.random.default_rng(0)
    for shape in ((2, 5, 130, 131), (1, 70, 61, 37), (3, 1, 200, 201)):
        x = rng.integers(-9, 10, (shape[0], *shape[2:], shape[1])).astype(np.float32)
        x = np.moveaxis(x, -1, 1)
        np.testing.assert_array_equal(bias_grad_in_machine_code(x), x.sum((0, 2, 3), dtype=np.int64))


def test_what_is_not_finite():
    for value in (np.nan, np.inf, -np.inf):
        x = np.ones((2, 9, 3, 4), np.float32)
        x[1, 8, 2, 3] = x[0, 2, 0, 0] = value
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        np.testing.assert_array_equal(bias_grad_in_machine_code(x), bias_grad(x))
    x[0, 2, 0, 1] = np.inf
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(bias_grad_in_machine_code(x), bias_grad(x))
    assert np.isnan(bias_grad_in_machine_code(x)[2])


def test_other_arrays_are_summed_by_numpy(monkeypatch):
    x = np.moveaxis(np.random.default_rng(0).standard_normal((2, 3, 4, 6)), -1, 1)
    assert channel_sums.accepts(x)
    one = np.ones((2, 1, 3, 4))
    assert channel_sums.accepts(one)
    shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float64).reshape(2, 3, 4, 6).transpose(0, 3, 1, 2)
    shifted[...] = x
    monkeypatch.setattr(channel_sums, "channel_sums", None)
    for other in (
        np.ascontiguousarray(x),
        x[:, ::2],
        x[::-1],
        x[:, :, 1:],
        x[:0],
        x.astype(np.float16),
        np.broadcast_to(x[:1], x.shape),
        shifted,
    ):
        assert not channel_sums.accepts(other)
        result = bias_grad_in_machine_code(other)
        assert result.dtype == other.dtype
        np.testing.assert_allclose(result, other.astype(np.float64).sum((0, 2, 3)), rtol=1e-2, atol=1e-2)


def test_it_is_the_preferred_kernel():
    assert backends.find("conv/bias", "gradient") is bias_grad_in_machine_code
    with backends.use_backend("numpy"):
        assert backends.find("conv/bias", "gradient") is bias_grad
