"""Activation layers: each is its function, looks as it is made, and survives being pickled and copied."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from sevenloops.autograd import Tensor

X = np.array([[-3.0, -0.5, 0.25], [1.0, 4.0, 30.0]])


def softmax(row):
    terms = [math.exp(v) for v in row]
    return [t / sum(terms) for t in terms]


@pytest.mark.parametrize(
    ("module", "expected", "shown"),
    [
        (nn.ReLU(), [[max(v, 0) for v in row] for row in X], "ReLU()"),
        (nn.LeakyReLU(), [[v if v > 0 else 0.01 * v for v in row] for row in X], "LeakyReLU(negative_slope=0.01)"),
        (nn.LeakyReLU(0.2), [[v if v > 0 else 0.2 * v for v in row] for row in X], "LeakyReLU(negative_slope=0.2)"),
        (nn.Tanh(), [[math.tanh(v) for v in row] for row in X], "Tanh()"),
        (nn.Sigmoid(), [[1 / (1 + math.exp(-v)) for v in row] for row in X], "Sigmoid()"),
        (nn.Softmax(1), [softmax(row) for row in X], "Softmax(dim=1)"),
        (nn.Softmax(dim=0), np.transpose([softmax(row) for row in X.T]), "Softmax(dim=0)"),
        (nn.LogSoftmax(-1), [np.log(softmax(row)) for row in X], "LogSoftmax(dim=-1)"),
    ],
)
def test_the_layer_is_the_function(module, expected, shown):
    np.testing.assert_allclose(module(X), expected, rtol=1e-12, atol=1e-11)
    assert type(module(X)) is np.ndarray
    assert isinstance(module(Tensor(X)), Tensor)
    assert list(module.state_dict()) == []
    assert repr(module) == shown


#: Every layer with other arguments than its defaults, the function call that it stands for, and its repr.
LAYERS = [
    (nn.ReLU(), sl.relu, "ReLU()"),
    (nn.ReLU6(), sl.relu6, "ReLU6()"),
    (nn.LeakyReLU(0.2), lambda x: sl.leaky_relu(x, 0.2), "LeakyReLU(negative_slope=0.2)"),
    (nn.Hardtanh(-0.5, 2.0), lambda x: sl.hardtanh(x, -0.5, 2), "Hardtanh(min_val=-0.5, max_val=2.0)"),
    (nn.Threshold(0.5, 7.0), lambda x: sl.threshold(x, 0.5, 7), "Threshold(threshold=0.5, value=7.0)"),
    (nn.Softshrink(0.25), lambda x: sl.softshrink(x, 0.25), "Softshrink(0.25)"),
    (nn.Hardshrink(1.5), lambda x: sl.hardshrink(x, 1.5), "Hardshrink(1.5)"),
    (nn.Hardsigmoid(), sl.hardsigmoid, "Hardsigmoid()"),
    (nn.Hardswish(), sl.hardswish, "Hardswish()"),
    (nn.Tanh(), sl.tanh, "Tanh()"),
    (nn.Tanhshrink(), sl.tanhshrink, "Tanhshrink()"),
    (nn.Sigmoid(), sl.sigmoid, "Sigmoid()"),
    (nn.LogSigmoid(), sl.logsigmoid, "LogSigmoid()"),
    (nn.Softplus(2.0, 1.0), lambda x: sl.softplus(x, 2, 1), "Softplus(beta=2.0, threshold=1.0)"),
    (nn.Softsign(), sl.softsign, "Softsign()"),
    (nn.ELU(0.5), lambda x: sl.elu(x, 0.5), "ELU(alpha=0.5)"),
    (nn.SELU(), sl.selu, "SELU()"),
    (nn.CELU(2.0), lambda x: sl.celu(x, 2), "CELU(alpha=2.0)"),
    (nn.SiLU(), sl.silu, "SiLU()"),
    (nn.Mish(), sl.mish, "Mish()"),
    (nn.GELU("tanh"), lambda x: sl.gelu(x, "tanh"), "GELU(approximate='tanh')"),
    (nn.Softmax(1), lambda x: sl.softmax(x, 1), "Softmax(dim=1)"),
    (nn.Softmin(0), lambda x: sl.softmin(x, 0), "Softmin(dim=0)"),
    (nn.LogSoftmax(-1), lambda x: sl.log_softmax(x, -1), "LogSoftmax(dim=-1)"),
    (nn.GLU(0), lambda x: sl.glu(x, 0), "GLU(dim=0)"),
    (
        nn.PReLU(3, 0.5, dtype=np.float64),
        lambda x: sl.prelu(x, np.full(3, 0.5)),
        "PReLU(num_parameters=3)",
    ),
]


@pytest.mark.parametrize(("layer", "function", "shown"), LAYERS, ids=[shown for _, _, shown in LAYERS])
def test_every_layer(layer, function, shown):
    expected = function(X)
    for module in (layer, pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert repr(module) == shown
        np.testing.assert_array_equal(np.asarray(module(X)), expected)
        t = Tensor(X, requires_grad=True)
        result = module(t)
        assert isinstance(result, Tensor)
        assert result.requires_grad


def test_no_layer_is_forgotten():
    public = {kind for kind in vars(nn.activation).values() if inspect.isclass(kind)}
    assert {type(layer) for layer, _, _ in LAYERS} == public
    assert all(kind.__doc__ and getattr(nn, kind.__name__) is kind for kind in public)


def test_prelu_learns_its_weight():
    layer = nn.PReLU()
    assert {name: p.data.tolist() for name, p in layer.named_parameters()} == {"weight": [0.25]}
    assert layer.weight.dtype == np.float32
    layer(Tensor(np.array([-2.0, 3.0], np.float32))).sum().backward()
    assert layer.weight.grad.tolist() == [-2]
    other = nn.PReLU(init=0.0)
    other.load_state_dict(layer.state_dict())
    assert other.weight.data.tolist() == [0.25]


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: nn.PReLU(0), ValueError, "num_parameters must be at least 1, but got 0"),
    (lambda: nn.PReLU(1.5), TypeError, "num_parameters must be an integer"),
    (lambda: nn.PReLU(1, "0.25"), TypeError, "init must be a number"),
    (lambda: nn.PReLU(dtype=int), TypeError, "dtype must be float16, float32 or float64, but got int64"),
    (lambda: nn.PReLU(2, dtype=np.float64)(X), ValueError, r"shape \(3,\), but its shape is \(2,\)"),
    (lambda: nn.GELU("erf")(X), ValueError, "approximate must be"),
])  # fmt: skip
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", [
    "CELU", "ELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "ReLU", "ReLU6", "SELU", "SiLU",
])  # fmt: skip
def test_a_permission_to_overwrite_the_input_is_taken_and_not_used(name):
    kind = getattr(nn, name)
    x = np.array([-2.0, -0.5, 0.5, 7.0])
    before = x.copy()
    np.testing.assert_array_equal(kind(inplace=True)(x), kind()(x))
    np.testing.assert_array_equal(x, before)
    assert repr(kind(inplace=True)).endswith("inplace=True)")
    assert "inplace" not in repr(kind())
    with pytest.raises(TypeError, match="inplace must be"):
        kind(inplace="yes")


def test_the_permission_comes_after_the_other_arguments():
    assert nn.LeakyReLU(0.2, True).negative_slope == 0.2
    assert nn.Hardtanh(-2, 3, True).max_val == 3
    assert nn.Threshold(1.0, 7.0, True).value == 7.0
    assert nn.ReLU(True).inplace is nn.ELU(0.5, True).inplace is nn.Dropout(0.3, True).inplace is True
