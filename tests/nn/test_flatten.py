import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor


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
