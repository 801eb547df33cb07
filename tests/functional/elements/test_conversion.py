"""Other dtypes and memory."""

import numpy as np
import pytest

import sevenloops as sl

FLOATS = (np.float16, np.float32, np.float64)


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize(("target", "name"), [*zip(FLOATS, ("half", "float", "double"))])
def test_gradients_pass_between_float_dtypes(source, target, name):
    x = sl.Tensor(np.array([1.5, -2.0], source), requires_grad=True)
    for result in (getattr(x, name)(), x.to(target), x.astype(target), x.to(np.dtype(target).name)):
        assert result.dtype == target
        assert result.tolist() == [1.5, -2.0]
        assert (result is x) == (source is target)
    x.to(target).backward(np.array([1.0, 0.25], target))
    assert x.grad.dtype == source
    assert x.grad.tolist() == [1.0, 0.25]


def test_integers_and_bools_have_no_history():
    x = sl.Tensor([1.7, 0.0, -1.7], requires_grad=True)
    assert x.long().tolist() == [1, 0, -1]
    assert x.long().dtype == np.int64
    assert x.bool().tolist() == [True, False, True]
    assert not x.long().requires_grad
    assert sl.Tensor([1, 0]).float().dtype == np.float32
    with pytest.raises(TypeError, match="float16, float32 or float64"):
        x.to(complex)


def test_copies():
    data = np.arange(6.0).reshape(2, 3).T
    x = sl.Tensor(data, requires_grad=True)
    copy = x.clone()
    assert copy.data.strides == data.strides
    assert not np.shares_memory(copy.data, data)
    dense = x.contiguous()
    assert dense.data.flags.c_contiguous
    assert dense.contiguous() is dense
    (copy + 2 * dense).sum().backward()
    assert np.all(x.grad == 3)
