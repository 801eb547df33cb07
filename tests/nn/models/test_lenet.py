"""LeNet-5 against the same network written out with sums over taps and loops over windows."""

import numpy as np
import pytest

from sevenloops import nn, optim
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError, UnknownAlgorithmError
from sevenloops.nn.models import LeNet5


def convolved(x, state, name):
    """A convolution without padding: for each tap of the kernel, all positions that it reads at once."""
    weight = state[f"{name}.weight"]
    height, width = x.shape[2] - 4, x.shape[3] - 4
    y = np.zeros((len(x), len(weight), height, width)) + state[f"{name}.bias"][:, None, None]
    for u in range(5):
        for v in range(5):
            y += np.tensordot(x[:, :, u : u + height, v : v + width], weight[:, :, u, v], (1, 1)).transpose(
                0, 3, 1, 2
            )
    return y


def pooled(maps, pool):
    n, c, h, w = maps.shape
    out = np.empty((n, c, h // 2, w // 2))
    for i in range(h // 2):
        for j in range(w // 2):
            window = maps[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            out[:, :, i, j] = window.mean((2, 3)) if pool == "avg" else window.max((2, 3))
    return out


def by_hand(images, state, activation, pool):
    """The published network on images that are padded to 32×32 already."""
    act = np.tanh if activation == "tanh" else lambda v: np.where(v > 0, v, 0)
    c1 = act(convolved(images, state, "conv1"))
    assert c1.shape[1:] == (6, 28, 28)
    c3 = act(convolved(pooled(c1, pool), state, "conv2"))
    assert c3.shape[1:] == (16, 10, 10)
    c5 = act(convolved(pooled(c3, pool), state, "conv3"))
    assert c5.shape[1:] == (120, 1, 1)
    f6 = act(c5[:, :, 0, 0] @ state["fc1.weight"].T + state["fc1.bias"])
    assert f6.shape[1:] == (84,)
    return f6 @ state["fc2.weight"].T + state["fc2.bias"]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_published_network(activation, pool, channels):
    model = LeNet5(7, channels, activation, pool, dtype=np.float64, rng=0)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, rng=1)  # biases of 0 would hide a missing one
    images = np.random.default_rng(0).normal(size=(3, channels, 28, 28))
    padded = np.zeros((3, channels, 32, 32))
    padded[:, :, 2:-2, 2:-2] = images
    expected = by_hand(padded, model.state_dict(), activation, pool)
    for x in (images, padded):
        np.testing.assert_allclose(model(x).data, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model(images[0]).data, expected[0], rtol=0, atol=1e-10)
    full = np.random.default_rng(0).normal(size=(2, channels, 32, 32))
    np.testing.assert_allclose(
        model(full).data, by_hand(full, model.state_dict(), activation, pool), rtol=0, atol=1e-10
    )


def test_names_and_sizes_of_the_parameters():
    shapes = {name: array.shape for name, array in LeNet5().state_dict().items()}
    assert shapes == {
        "conv1.weight": (6, 1, 5, 5),
        "conv1.bias": (6,),
        "conv2.weight": (16, 6, 5, 5),
        "conv2.bias": (16,),
        "conv3.weight": (120, 16, 5, 5),
        "conv3.bias": (120,),
        "fc1.weight": (84, 120),
        "fc1.bias": (84,),
        "fc2.weight": (10, 84),
        "fc2.bias": (10,),
    }


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_signals_keep_their_size_at_the_start(activation):
    """Neither vanishing nor exploding: every layer's activations and the logits are of the order of the input."""
    images = np.random.default_rng(0).normal(size=(64, 1, 32, 32)).astype(np.float32)
    sizes = [LeNet5(activation=activation, pool="max", rng=seed)(images).data.std() for seed in range(5)]
    assert 0.1 < np.mean(sizes) < 10


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_initial_weights_suit_the_activation(activation):
    """The bounds of the two rules: 5/3 · √(6 / (fan_in + fan_out)) for tanh, √2 · √(3 / fan_in) for relu."""
    for name, array in LeNet5(activation=activation, rng=0).state_dict().items():
        if name.endswith("bias"):
            assert (array == 0).all()
            continue
        taps = 25 if array.ndim == 4 else 1
        fan_out, fan_in = array.shape[0] * taps, array.shape[1] * taps
        bound = 5 / 3 * (6 / (fan_in + fan_out)) ** 0.5 if activation == "tanh" else (6 / fan_in) ** 0.5
        assert 0.95 * bound < np.abs(array).max() <= 1.000001 * bound


def test_the_seed_the_dtype_and_the_algorithm_reach_every_layer():
    first, second, other = (LeNet5(rng=seed).state_dict() for seed in (1, 1, 2))
    for name, array in first.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, second[name])
        assert name.endswith("bias") or not np.array_equal(array, other[name])
    assert {a.dtype for a in LeNet5(dtype=np.float16).state_dict().values()} == {np.dtype(np.float16)}
    model = LeNet5(algorithm="im2col")
    y = model(Tensor(np.zeros((1, 1, 28, 28), np.float32)))
    found, queue = [], [y.node]
    while queue:
        node = queue.pop()
        if node.operation.name == "convolution":
            found.append(node.attributes["options"].algorithm)
        queue += [source for source in node.inputs if hasattr(source, "operation")]
    assert found == ["im2col"] * 3


def test_it_learns():
    """Ten random images are learnt by heart, by either optimizer."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(10, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, 10)
    loss = nn.CrossEntropyLoss()
    for make in (lambda p: optim.SGD(p, lr=0.05, momentum=0.9), lambda p: optim.Adam(p, lr=2e-3)):
        model = LeNet5(rng=0)
        optimizer = make(model.parameters())
        for _ in range(40):
            optimizer.zero_grad()
            loss(model(images), labels).backward()
            optimizer.step()
        assert (model(images).data.argmax(1) == labels).all()


@pytest.mark.parametrize("shape", [(2, 1, 27, 27), (2, 1, 28, 32), (2, 3, 28, 28), (28, 28)])
def test_images_of_another_size_are_refused(shape):
    with pytest.raises(ShapeError):
        LeNet5()(np.zeros(shape, np.float32))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"activation must be one of tanh, relu, but got 'gelu'"):
        LeNet5(activation="gelu")
    with pytest.raises(ValueError, match=r"pool must be one of avg, max, but got 'min'"):
        LeNet5(pool="min")
    with pytest.raises(UnknownAlgorithmError):
        LeNet5(algorithm="fastest")
    with pytest.raises(ShapeError, match="out_features"):
        LeNet5(0)
