import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [((), (2, 60)), ((0,), (120,)), ((1, 2), (2, 12, 5)), ((-2,), (2, 3, 20)), ((2, 2), (2, 3, 4, 5))],
)
def test_axes_are_joined_in_c_order(arguments, shape):
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    module = nn.Flatten(*arguments)
    for memory in (x, np.asfortranarray(x)):
        y = module(memory)
        assert type(y) is np.ndarray
        assert y.shape == shape
        np.testing.assert_array_equal(y.ravel(), np.arange(120.0))
    tensor = Tensor(x, requires_grad=True)
    y = module(tensor)
    assert y.shape == shape
    y.backward(np.arange(120.0).reshape(shape))
    np.testing.assert_array_equal(tensor.grad, x)


@pytest.mark.parametrize(
    ("dim", "sizes", "shape"),
    [(1, (3, 4), (2, 3, 4, 5)), (-1, [5, 1], (2, 12, 5, 1)), (1, (-1, 6), (2, 2, 6, 5)), (0, (2,), (2, 12, 5))],
)
def test_one_axis_becomes_several(dim, sizes, shape):
    x = np.arange(120.0).reshape(2, 12, 5)
    y = nn.Unflatten(dim, sizes)(x)
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, x.reshape(shape))
    tensor = Tensor(x, requires_grad=True)
    nn.Unflatten(dim, sizes)(tensor).backward(y)
    np.testing.assert_array_equal(tensor.grad, x)


def test_an_axis_of_an_empty_batch():
    assert nn.Unflatten(1, (2, -1))(np.ones((0, 6))).shape == (0, 2, 3)


@pytest.mark.parametrize("sizes", [(3, 5), (-1, 5), (-1, -1), (-3, -4), ()])
def test_sizes_that_do_not_fill_the_axis(sizes):
    with pytest.raises(ShapeError, match="as many elements as the axis"):
        nn.Unflatten(1, sizes)(np.ones((2, 12)))
