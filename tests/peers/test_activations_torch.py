"""Every activation, and dropout, against PyTorch: over random calls, at kinks, at what is not finite, as layers."""

import pickle

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.peers

functional = torch.nn.functional


def either(*values):
    return lambda rng: values[rng.integers(len(values))]


def uniform(low, high):
    return lambda rng: float(rng.uniform(low, high))


#: name -> what draws each argument behind the input.
ARGUMENTS = {
    "relu": (),
    "relu6": (),
    "leaky_relu": (either(0.01, 0.0, 0.3, 1.0, 2.5, -0.5),),
    "hardtanh": (uniform(-3, 0), uniform(0, 3)),
    "threshold": (uniform(-2, 2), uniform(-5, 5)),
    "softshrink": (either(0.5, 0.0, 1.5),),
    "hardshrink": (either(0.5, 0.0, 1.5, -0.5),),
    "hardsigmoid": (),
    "hardswish": (),
    "tanh": (),
    "sigmoid": (),
    "logsigmoid": (),
    "softplus": (either(1.0, 0.25, 3.0, -2.0), either(20.0, 1.0, 0.0, -2.0)),
    "softsign": (),
    "tanhshrink": (),
    "elu": (either(1.0, 0.5, 2.0, -1.0),),
    "selu": (),
    "celu": (either(1.0, 0.5, 2.0, -1.0),),
    "silu": (),
    "mish": (),
    "gelu": (),
    "gelu tanh": (),
    "erf": (),
}

#: Where pieces meet.
KINKS = [-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0]


def ours(name, x, *arguments):
    return sl.gelu(x, approximate="tanh") if name == "gelu tanh" else getattr(sl, name)(x, *arguments)


def theirs(name, x, *arguments):
    if name == "gelu tanh":
        return functional.gelu(x, approximate="tanh")
    return torch.erf(x) if name == "erf" else getattr(functional, name)(x, *arguments)


def both(name, x, g, *arguments):
    """Return our result and gradient, and PyTorch's."""
    mine, other = sl.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(name, mine, *arguments), theirs(name, other, *arguments)
    assert y.shape == tuple(z.shape)
    y.backward(g)
    z.backward(torch.tensor(g))
    return (y.numpy(), mine.grad), (z.detach().numpy(), other.grad.numpy())


# PyTorch rounds the slope 1/6 of hardsigmoid to float32, and the gradient of softsign in float32 to four digits.


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_random_calls(name, dtype):
    rng = np.random.default_rng(sum(map(ord, name)))
    rtol, atol = (1e-11, 1e-13) if dtype == np.float64 and name != "hardsigmoid" else (2e-5, 1e-6)
    for _ in range(60):
        shape = tuple(int(n) for n in rng.integers(0, 6, rng.integers(0, 5)))
        x = (rng.standard_normal(shape) * rng.choice([0.1, 1, 4, 30])).astype(dtype)
        g = rng.standard_normal(shape).astype(dtype)
        arguments = [draw(rng) for draw in ARGUMENTS[name]]
        mine, other = both(name, np.asarray(x), np.asarray(g), *arguments)
        for a, b in zip(mine, other):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=f"{name} {arguments}")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_derivatives_where_pieces_meet(name):
    rng = np.random.default_rng(0)
    for _ in range(10):
        arguments = [draw(rng) for draw in ARGUMENTS[name]]
        x = np.array(KINKS * 5 + [a for a in arguments] + [-a for a in arguments])
        g = rng.standard_normal(x.shape)
        mine, other = both(name, x, g, *arguments)
        rtol = 1e-6 if name == "hardsigmoid" else 1e-12
        for a, b in zip(mine, other):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-14, err_msg=f"{name} {arguments}")


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_not_finite(name, dtype):
    """NaN where PyTorch has it, or else the limit; infinite where it is."""
    values = [-np.inf, np.inf, np.nan, -1e4, 1e4, -1e30, 1e30]
    x = np.array(values * 5, dtype)
    for draw in range(3):
        rng = np.random.default_rng(draw)
        arguments = [draw(rng) for draw in ARGUMENTS[name]]
        mine, other = both(name, x, np.ones_like(x), *arguments)
        for what, a, b in zip(("result", "gradient"), mine, other):
            if what == "result":
                assert np.isnan(a[2]), "NaN stays NaN"
            known = ~np.isnan(b) & ~np.isnan(x)
            np.testing.assert_allclose(
                a[known], b[known], rtol=1e-6, atol=1e-11, err_msg=f"{name} {arguments} {what}"
            )
            finite = np.isfinite(x)
            assert np.all(np.isfinite(a[finite]) | (a[finite] == b[finite]))


@pytest.mark.parametrize("seed", range(40))
def test_prelu(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(0, 5)))
    channels = shape[1] if len(shape) > 1 else 1
    weights = [(channels,), (1,), ()][rng.integers(3)]
    x, w, g = rng.standard_normal(shape), rng.standard_normal(weights), rng.standard_normal(shape)
    if x.ndim:
        x.flat[0] = 0
    mine = [sl.Tensor(a, requires_grad=True) for a in (x, w)]
    other = [torch.tensor(a, requires_grad=True) for a in (x, w)]
    y, z = sl.prelu(*mine), functional.prelu(*other)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-14)
    y.backward(g)
    z.backward(torch.tensor(g))
    for a, b in zip(mine, other):
        assert a.grad.shape == tuple(b.grad.shape)
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax", "glu"])
def test_along_an_axis(name):
    rng = np.random.default_rng(3)
    for _ in range(60):
        shape = [int(n) for n in rng.integers(1, 5, rng.integers(1, 5))]
        dim = int(rng.integers(-len(shape), len(shape)))
        if name == "glu":
            shape[dim] *= 2
        x = rng.standard_normal(shape) * rng.choice([1, 30])
        mine, other = sl.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = getattr(sl, name)(mine, dim), getattr(functional, name)(other, dim)
        g = rng.standard_normal(y.shape)
        y.backward(g)
        z.backward(torch.tensor(g))
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_without_axes(name):
    other = getattr(functional, name)(torch.tensor(3.0), 0)
    mine = getattr(sl, name)(np.float32(3), 0)
    assert mine.shape == ()
    assert mine == other.item()


# Each is made in both libraries by the same call.
LAYERS = [
    ("ReLU", (), {}),
    ("ReLU6", (), {}),
    ("LeakyReLU", (), {}),
    ("LeakyReLU", (0.2,), {}),
    ("Hardtanh", (), {}),
    ("Hardtanh", (-2.0, 0.5), {}),
    ("Threshold", (0.5, 7.0), {}),
    ("Softshrink", (), {}),
    ("Softshrink", (0.25,), {}),
    ("Hardshrink", (), {}),
    ("Hardshrink", (), {"lambd": 1.0}),
    ("Hardsigmoid", (), {}),
    ("Hardswish", (), {}),
    ("Tanh", (), {}),
    ("Tanhshrink", (), {}),
    ("Sigmoid", (), {}),
    ("LogSigmoid", (), {}),
    ("Softplus", (), {}),
    ("Softplus", (2.0, 1.0), {}),
    ("Softsign", (), {}),
    ("ELU", (), {}),
    ("ELU", (0.5,), {}),
    ("SELU", (), {}),
    ("CELU", (), {}),
    ("CELU", (), {"alpha": 2.0}),
    ("SiLU", (), {}),
    ("Mish", (), {}),
    ("GELU", (), {}),
    ("GELU", ("tanh",), {}),
    ("GLU", (), {}),
    ("GLU", (0,), {}),
    ("Softmax", (1,), {}),
    ("Softmin", (0,), {}),
    ("LogSoftmax", (-1,), {}),
    ("PReLU", (), {}),
    ("PReLU", (6, 0.5), {}),
]


@pytest.mark.parametrize(("name", "arguments", "keywords"), LAYERS)
def test_layers(name, arguments, keywords):
    own = {"dtype": np.float64} if name == "PReLU" else {}
    mine = getattr(nn, name)(*arguments, **keywords, **own)
    other = getattr(torch.nn, name)(*arguments, **keywords).double()
    assert repr(mine) == repr(other)
    assert list(mine.state_dict()) == list(other.state_dict())
    assert {k: v.tolist() for k, v in mine.state_dict().items()} == {
        k: v.tolist() for k, v in other.state_dict().items()
    }
    x = np.random.default_rng(0).standard_normal((4, 6)) * 2
    for layer in (mine, pickle.loads(pickle.dumps(mine))):
        y = layer(sl.Tensor(x))
        np.testing.assert_allclose(y.numpy(), other(torch.tensor(x)).detach().numpy(), rtol=1e-12, atol=1e-15)


def test_dropout_layers_look_alike_but_for_inplace():
    for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"):
        assert repr(getattr(nn, name)(0.25)) == repr(getattr(torch.nn, name)(0.25)).replace(", inplace=False", "")


def test_dropout_without_chance():
    """What does not depend on the generator: p of 0 and 1, and evaluation; and the scale of what is kept."""
    rng = np.random.default_rng(0)
    shapes = {"dropout": (3, 4), "dropout1d": (2, 3, 4), "dropout2d": (2, 3, 4, 2), "dropout3d": (3, 2, 2, 4),
              "alpha_dropout": (3, 4)}  # fmt: skip
    for name, shape in shapes.items():
        x = rng.standard_normal(shape)
        for p in (0.0, 0.3, 1.0):
            for training in (True, False):
                mine, other = sl.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
                y = getattr(sl, name)(mine, p, training, rng=0)
                z = getattr(functional, name)(other, p, training)
                if training and p == 0.3:
                    a, b = set(np.round(y.numpy() / x, 12).ravel()), set(np.round(z.detach().numpy() / x, 12).ravel())
                    assert name == "alpha_dropout" or a | b <= {0, round(1 / 0.7, 12)}
                    continue
                np.testing.assert_array_equal(y.numpy(), z.detach().numpy())
                g = rng.standard_normal(shape)
                (y * g).sum().backward()
                (z * torch.tensor(g)).sum().backward()
                np.testing.assert_array_equal(mine.grad, other.grad.numpy())


def test_alpha_dropout_has_pytorchs_two_maps():
    """Kept elements a·x + b, the others one constant, both as PyTorch's."""
    x = np.random.default_rng(0).standard_normal(20000)
    y = sl.alpha_dropout(x, 0.3, True, rng=0)
    z = functional.alpha_dropout(torch.tensor(x), 0.3, True).numpy()
    (low, *_), (other, *_) = (values[np.argsort(-counts)] for values, counts in (
        np.unique(a.round(12), return_counts=True) for a in (y, z)
    ))  # fmt: skip
    assert low == pytest.approx(other, rel=1e-12)
    kept = (np.abs(y - low) > 1e-9) & (np.abs(z - low) > 1e-9)
    assert kept.mean() == pytest.approx(0.49, abs=0.02)
    np.testing.assert_allclose(y[kept], z[kept], rtol=1e-9, atol=1e-12)
