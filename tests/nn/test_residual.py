import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError


def test_the_sum_of_a_module_and_its_input():
    rng = np.random.default_rng(0)
    linear = nn.Linear(3, 3, dtype=np.float64, rng=0)
    model = nn.Residual(linear)
    x, g = rng.standard_normal((2, 2, 3))
    tensor = Tensor(x, requires_grad=True)
    y = model(tensor)
    y.backward(g)
    np.testing.assert_allclose(y.numpy(), x @ linear.weight.data.T + linear.bias.data + x)
    np.testing.assert_allclose(tensor.grad, g @ linear.weight.data + g)
    np.testing.assert_allclose(model(x).numpy(), y.numpy())
    assert list(model.state_dict()) == ["module.weight", "module.bias"]


def test_the_sum_of_two_modules():
    model = nn.Residual(nn.Linear(3, 2, dtype=np.float64), nn.Linear(3, 2, bias=False, dtype=np.float64))
    x = np.random.default_rng(0).standard_normal((4, 3))
    np.testing.assert_allclose(model(x).numpy(), (model.module(x) + model.shortcut(x)).numpy())
    assert list(model.state_dict()) == ["module.weight", "module.bias", "shortcut.weight"]


@pytest.mark.parametrize("outputs", [1, 2])
def test_unequal_shapes_are_not_broadcast(outputs):
    with pytest.raises(
        ShapeError, match=rf"module gives \(4, {outputs}\) and the shortcut \(4, 3\); pass a shortcut"
    ):
        nn.Residual(nn.Linear(3, outputs))(np.ones((4, 3), np.float32))
    with pytest.raises(ShapeError, match=r"\(4, 2\) and the shortcut \(4, 1\)\.$"):
        nn.Residual(nn.Linear(3, 2), nn.Linear(3, 1))(np.ones((4, 3), np.float32))


def test_only_modules():
    with pytest.raises(TypeError, match="module must be a Module"):
        nn.Residual(abs)


def test_identity():
    x = Tensor(np.ones(3), requires_grad=True)
    assert nn.Identity(54, unused=True)(x) is x
    assert repr(nn.Identity(3)) == "Identity()"
