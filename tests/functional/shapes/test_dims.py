"""Axes as users name them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sevenloops as sl
from sevenloops.errors import ShapeError
from sevenloops.functional.shapes.dims import one_dim, several_dims


@given(axes=st.integers(1, 6), data=st.data())
def test_negative_axes_count_from_the_last(axes, data):
    dim = data.draw(st.integers(-axes, axes - 1))
    assert one_dim("dim", dim, axes) == list(range(axes))[dim]
    assert one_dim("dim", np.int64(dim), axes) == list(range(axes))[dim]
    assert several_dims("dim", dim, axes) == (list(range(axes))[dim],)


@given(axes=st.integers(0, 6), data=st.data())
def test_several_axes_in_the_given_order(axes, data):
    order = data.draw(st.permutations(range(axes)))
    assert several_dims("dims", tuple(order), axes) == tuple(order)
    assert several_dims("dims", [dim - axes for dim in order], axes) == tuple(order)
    assert several_dims("dims", None, axes) == tuple(range(axes))


@pytest.mark.parametrize("dim", [1.0, "0", None, True, np.float64(1)])
def test_axes_are_integers(dim):
    with pytest.raises(TypeError, match="dim must be an integer, but got"):
        one_dim("dim", dim, 2)


def test_axes_exist():
    with pytest.raises(ShapeError, match="dim must be an axis of the input, from -2 to 1, but got -3"):
        one_dim("dim", -3, 2)
    with pytest.raises(ShapeError, match="but this input has no axes"):
        one_dim("dim", 0, 0)
    with pytest.raises(ShapeError, match=r"dim must not name an axis twice, but got \(1, -1\) for 2 axes"):
        several_dims("dim", (1, -1), 2)


def test_without_axes_the_first_and_the_last_may_be_named_and_are_none():
    assert several_dims("dim", 0, 0) == several_dims("dim", (-1,), 0) == ()
    with pytest.raises(ShapeError, match="dim must be an axis of the input"):
        several_dims("dim", 1, 0)


@pytest.mark.parametrize("dim", [0, -1])
def test_an_array_without_axes_is_reduced_to_itself(dim):
    for function in (sl.sum, sl.mean, sl.prod, sl.amax, sl.amin, sl.logsumexp, sl.cumsum, sl.squeeze):
        x = sl.Tensor(2.5, requires_grad=True)
        y = function(x, dim)
        y.backward()
        assert (y.shape, y.item(), x.grad.item()) == ((), pytest.approx(2.5), pytest.approx(1.0))
        with pytest.raises(ShapeError):
            function(x, 1)
    values, indices = sl.max(np.array(2.5), dim)
    assert (float(values), int(indices), int(sl.argmin(np.array(7), dim))) == (2.5, 0, 0)
    assert sl.transpose(np.array(2.5), dim, dim) == 2.5
    for function in (sl.softmax, sl.softmin):
        assert function(np.array(2.5), dim) == 1
