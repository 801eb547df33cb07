"""Modules, initial values and files against PyTorch: names, shapes, looks, results and distributions."""

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import Tensor
from sevenloops.serialization import load, save

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

# Each is made in both libraries by the same call, and fed with an array of the shape.
LAYERS = [
    ("Conv1d", (4, 6, 3, 2, 1, 2, 2, False), {}, (2, 4, 11)),
    ("Conv2d", (4, 6, (3, 2), 2, (1, 0), 1, 2), {}, (2, 4, 9, 8)),
    ("Conv2d", (2, 3, 3), {"padding": "same", "dilation": 2}, (2, 2, 9, 8)),
    ("Conv3d", (2, 4, 3, 1, 1), {}, (2, 2, 5, 4, 6)),
    ("ConvTranspose1d", (4, 6, 3, 2, 1, 1, 2), {}, (2, 4, 5)),
    ("ConvTranspose2d", (4, 6, (3, 2), 2, (1, 0), 1, 2, False, 2), {}, (2, 4, 5, 6)),
    ("ConvTranspose3d", (2, 3, 3, 2), {}, (1, 2, 3, 4, 2)),
    ("Linear", (5, 3), {}, (2, 4, 5)),
    ("Linear", (5, 3, False), {}, (5,)),
    ("MaxPool1d", (3, 2, 1), {}, (2, 3, 9)),
    ("MaxPool2d", (2,), {"ceil_mode": True}, (2, 3, 9, 8)),
    ("MaxPool3d", (2, 1), {"dilation": 2}, (2, 3, 5, 4, 6)),
    ("AvgPool2d", ((2, 3), 2, 1, True, False), {}, (2, 3, 9, 8)),
    ("AvgPool3d", (2,), {"divisor_override": 3}, (2, 3, 5, 4, 6)),
    ("AdaptiveAvgPool2d", ((None, 3),), {}, (2, 3, 9, 8)),
    ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 10)),
    ("ReLU", (), {}, (2, 3)),
    ("LeakyReLU", (0.2,), {}, (2, 3)),
    ("Tanh", (), {}, (2, 3)),
    ("Sigmoid", (), {}, (2, 3)),
    ("Softmax", (1,), {}, (2, 3)),
    ("LogSoftmax", (-1,), {}, (2, 3)),
    ("Flatten", (), {}, (2, 3, 4)),
]


def pair(name, arguments, keywords):
    """Return our layer and PyTorch's, in float64, with the same weights."""
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)(*arguments, **keywords)
    if list(theirs.parameters()):
        mine = ours(*arguments, **keywords, dtype=np.float64, rng=0)
    else:
        mine = ours(*arguments, **keywords)
    theirs = theirs.double()
    state = {key: torch.from_numpy(array) for key, array in mine.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    return mine, theirs


@pytest.mark.parametrize(("name", "arguments", "keywords", "shape"), LAYERS)
def test_layers(name, arguments, keywords, shape):
    mine, theirs = pair(name, arguments, keywords)
    assert repr(mine) == repr(theirs)
    x = np.random.default_rng(0).normal(size=shape)
    ours, peer = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = mine(ours), theirs(peer)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=0, atol=1e-12)
    g = np.random.default_rng(1).normal(size=y.shape)
    y.backward(g)
    z.backward(torch.from_numpy(g))
    np.testing.assert_allclose(ours.grad, peer.grad.numpy(), rtol=0, atol=1e-12)
    for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=0, atol=1e-11)


def test_losses():
    rng = np.random.default_rng(0)
    x, classes, weight = rng.normal(size=(6, 5, 3)), rng.integers(0, 5, (6, 3)), rng.uniform(1, 2, 5)
    for reduction in ("mean", "sum", "none"):
        keywords = {"reduction": reduction, "label_smoothing": 0.1, "ignore_index": 2}
        mine = nn.CrossEntropyLoss(weight, **keywords)
        theirs = torch.nn.CrossEntropyLoss(torch.from_numpy(weight), **keywords)
        assert repr(mine) == repr(theirs)
        assert list(mine.state_dict()) == list(theirs.state_dict())
        expected = theirs(torch.from_numpy(x), torch.from_numpy(classes)).numpy()
        np.testing.assert_allclose(mine(x, classes), expected, rtol=1e-12)
        expected = torch.nn.MSELoss(reduction=reduction)(torch.from_numpy(x), torch.ones(6, 5, 3).double()).numpy()
        np.testing.assert_allclose(nn.MSELoss(reduction=reduction)(x, np.ones((6, 5, 3))), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("rule", "keywords"),
    [
        ("kaiming_uniform_", {"a": 5**0.5}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_normal_", {"nonlinearity": "tanh"}),
        ("kaiming_normal_", {"a": 0.3}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {}),
        ("uniform_", {"a": -1.0, "b": 3.0}),
        ("normal_", {"mean": 1.0, "std": 0.1}),
    ],
)
@pytest.mark.parametrize("shape", [(300, 200), (40, 30, 7, 5)])
def test_initial_values(rule, keywords, shape):
    torch.manual_seed(0)
    mine = getattr(nn.init, rule)(np.zeros(shape), rng=0, **keywords)
    theirs = getattr(torch.nn.init, rule)(torch.zeros(shape, dtype=torch.float64), **keywords).numpy()
    assert mine.std() == pytest.approx(theirs.std(), rel=0.02)
    assert mine.mean() == pytest.approx(theirs.mean(), abs=0.02 * theirs.std())
    assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.001 if "uniform" in rule else 0.25)


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d", "Linear"])
def test_layers_start_like_pytorchs(name):
    torch.manual_seed(0)
    arguments = (200, 300) if name == "Linear" else (40, 60, 5)
    mine, theirs = getattr(nn, name)(*arguments, rng=0), getattr(torch.nn, name)(*arguments)
    for parameter in ("weight", "bias"):
        ours, peers = getattr(mine, parameter).data, getattr(theirs, parameter).detach().numpy()
        assert ours.dtype == peers.dtype
        assert np.abs(ours).max() == pytest.approx(np.abs(peers).max(), rel=0.05)
        assert ours.std() == pytest.approx(peers.std(), rel=0.1)


def test_gains():
    for name in ("linear", "sigmoid", "conv1d", "conv_transpose2d", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


class PeerLeNet(torch.nn.Module):
    """LeNet-5 as one writes it in PyTorch."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 6, 5)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.conv3 = torch.nn.Conv2d(16, 120, 5)
        self.fc1 = torch.nn.Linear(120, 84)
        self.fc2 = torch.nn.Linear(84, 10)
        self.activation = torch.nn.Tanh()
        self.pool = torch.nn.AvgPool2d(2)
        self.dropout = torch.nn.Dropout(0.0)

    def forward(self, x):
        x = torch.nn.functional.pad(x, (2, 2, 2, 2))
        x = self.pool(self.activation(self.conv1(x)))
        x = self.pool(self.activation(self.conv2(x)))
        return self.fc2(self.dropout(self.activation(self.fc1(self.activation(self.conv3(x)).flatten(1)))))


def test_weights_travel_both_ways_as_files(tmp_path):
    files = pytest.importorskip("safetensors.torch")
    mine, theirs = nn.models.LeNet5(rng=0), PeerLeNet()
    x = np.random.default_rng(0).normal(size=(4, 1, 28, 28)).astype(np.float32)
    assert repr(mine).split("\n")[1:] == repr(theirs).replace(", inplace=False", "").split("\n")[1:]

    save(tmp_path / "ours", mine.state_dict())
    theirs.load_state_dict(files.load_file(tmp_path / "ours"))
    with torch.no_grad():
        np.testing.assert_allclose(mine(x).data, theirs(torch.from_numpy(x)).numpy(), rtol=0, atol=1e-5)

    other = PeerLeNet()
    files.save_file(other.state_dict(), tmp_path / "theirs")
    mine.load_state_dict(load(tmp_path / "theirs"))
    with torch.no_grad():
        np.testing.assert_allclose(mine(x).data, other(torch.from_numpy(x)).numpy(), rtol=0, atol=1e-5)

    files.save_file({k: v.bfloat16() for k, v in other.state_dict().items()}, tmp_path / "half")
    for name, array in load(tmp_path / "half").items():
        np.testing.assert_array_equal(array, other.state_dict()[name].bfloat16().float().numpy())


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes(axes, mode):
    rng = np.random.default_rng(axes)
    for _ in range(10):
        kernel, pads = (tuple(int(n) for n in rng.integers(low, 4, axes)) for low in (1, 0))
        settings = {"stride": int(rng.integers(1, 3)), "padding": pads, "groups": 2, "padding_mode": mode}
        theirs = getattr(torch.nn, f"Conv{axes}d")(4, 6, kernel, **settings).double()
        mine = getattr(nn, f"Conv{axes}d")(4, 6, kernel, **settings).double()
        mine.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
        x = rng.standard_normal((2, 4, *rng.integers(5, 8, axes)))
        here, there = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = mine(here), theirs(there)
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=0, atol=1e-12)
        g = rng.standard_normal(y.shape)
        y.backward(g)
        z.backward(torch.from_numpy(g))
        pairs = [(here.grad, there.grad), *((p.grad, q.grad) for p, q in zip(mine.parameters(), theirs.parameters()))]
        for actual, expected in pairs:
            np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=1e-11)
