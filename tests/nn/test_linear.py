import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 4), (0, 4)])
def test_the_layer_is_the_affine_map(shape, bias):
    layer = nn.Linear(4, 3, bias, dtype=np.float64, rng=0)
    x, g = (np.random.default_rng(1).normal(size=s) for s in (shape, (*shape[:-1], 3)))
    tensor = Tensor(x, requires_grad=True)
    y = layer(tensor)
    y.backward(g)
    rows, grads = x.reshape(-1, 4), g.reshape(-1, 3)
    expected = np.zeros((len(rows), 3))
    dw, dx = np.zeros((3, 4)), np.zeros((len(rows), 4))
    for r in range(len(rows)):
        for o in range(3):
            expected[r, o] = (layer.bias.data[o] if bias else 0) + sum(
                layer.weight.data[o, i] * rows[r, i] for i in range(4)
            )
            dw[o] += grads[r, o] * rows[r]
            dx[r] += grads[r, o] * layer.weight.data[o]
    np.testing.assert_allclose(y.data, expected.reshape(*shape[:-1], 3), atol=1e-12)
    np.testing.assert_allclose(layer.weight.grad, dw, atol=1e-12)
    np.testing.assert_allclose(tensor.grad, dx.reshape(shape), atol=1e-12)
    if bias:
        np.testing.assert_allclose(layer.bias.grad, grads.sum(0), atol=1e-12)


def test_parameters_have_pytorchs_names_shapes_and_distribution():
    layer = nn.Linear(300, 200, rng=0)
    assert {name: p.shape for name, p in layer.named_parameters()} == {"weight": (200, 300), "bias": (200,)}
    bound = 1 / np.sqrt(300)
    for parameter in (layer.weight.data, layer.bias.data):
        assert parameter.dtype == np.float32
        assert 0.9 * bound < np.abs(parameter).max() <= bound * 1.000001
    assert layer.weight.data.var() == pytest.approx(bound**2 / 3, rel=0.02)
    assert [name for name, _ in nn.Linear(2, 3, bias=False).named_parameters()] == ["weight"]


def test_bad_arguments_are_named():
    with pytest.raises(ShapeError, match="in_features must be at least 1, but got 0"):
        nn.Linear(0, 3)
    with pytest.raises(TypeError, match="out_features"):
        nn.Linear(3, "3")
    with pytest.raises(TypeError, match="complex64"):
        nn.Linear(3, 3, dtype=np.complex64)
