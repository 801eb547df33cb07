"""Normalisation and unpooling against PyTorch: generated calls in all modes, layers over batches, training."""

import random

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn
from tests.helpers.cases import arranged

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers
F = torch.nn.functional

MEMORIES = ("contiguous", "channels-last", "fortran", "sliced", "reversed")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def compare(ours, theirs, x, *parameters, rng, memory="contiguous", tolerance=1e-9):
    """Compare results and all gradients, in float64; PyTorch always sees contiguous arrays."""
    mine = [sl.Tensor(arranged(x, memory), requires_grad=True)]
    mine += [None if p is None else sl.Tensor(p, requires_grad=True) for p in parameters]
    peers = [
        None if a is None else torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in (x, *parameters)
    ]
    y, z = ours(*mine), theirs(*peers)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=tolerance, atol=tolerance)
    g = rng.standard_normal(y.shape)
    y.backward(g)
    z.backward(torch.tensor(g))
    for tensor, peer in zip(mine, peers):
        if tensor is not None:
            np.testing.assert_allclose(tensor.grad, peer.grad.numpy(), rtol=tolerance, atol=tolerance)


def random_input(chooser, rng):
    """Return an input with several values in all that is normalised together."""
    axes = chooser.randint(1, 3)
    longest = {1: 90, 2: 20, 3: 7}[axes]
    spatial = (chooser.randint(2, longest) for _ in range(axes))
    shape = (chooser.randint(1, 5), chooser.choice([1, 2, 3, 4, 6, 8, 12, 40]), *spatial)
    return rng.normal(chooser.choice([0, 3, -100]), chooser.choice([0.1, 1, 20]), shape)


def parameters_of(chooser, rng, shape):
    """Return a factor and an offset, or the factor alone, or none: PyTorch's backward fails for an offset alone."""
    given = chooser.randint(0, 2)
    return [rng.standard_normal(shape) if i < given else None for i in range(2)]


def both(name, before=(), after=(), peer_before=None):
    """Return the functions of both libraries as functions of input, weight and bias, or of the input alone."""

    def of(library, head):
        function = getattr(library, name)
        return lambda x, *parameters: function(x, *head, *parameters, *after)

    return of(sl, before), of(F, before if peer_before is None else peer_before)


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
@pytest.mark.parametrize("seed", range(100))
def test_random_calls_with_running_statistics(name, seed):
    chooser, rng = random.Random(seed), np.random.default_rng(seed)
    x = random_input(chooser, rng)
    channels = x.shape[1]
    running = rng.standard_normal(channels), rng.uniform(0.5, 2, channels)
    peers = [torch.tensor(array) for array in running]
    after = seed % 2 == 0, chooser.choice([0.1, 0.5, 1.0]), chooser.choice([1e-5, 1e-3, 0.1])
    weight, bias = parameters_of(chooser, rng, channels)
    functions = both(name, running, after, peers)
    compare(*functions, x, weight, bias, rng=rng, memory=chooser.choice(MEMORIES), tolerance=1e-7)
    for ours, theirs in zip(running, peers):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(100))
def test_random_calls(seed):
    chooser, rng = random.Random(seed), np.random.default_rng(seed)
    x = random_input(chooser, rng)
    channels, eps = x.shape[1], chooser.choice([1e-5, 1e-3, 0.1])
    options = {"rng": rng, "memory": chooser.choice(MEMORIES), "tolerance": 1e-7}
    groups = chooser.choice([g for g in range(1, channels + 1) if channels % g == 0])
    compare(*both("group_norm", (groups,), (eps,)), x, *parameters_of(chooser, rng, channels), **options)
    shape = x.shape[-chooser.randint(1, x.ndim - 1) :]
    compare(*both("layer_norm", (shape,), (eps,)), x, *parameters_of(chooser, rng, shape), **options)
    weight = chooser.choice([None, rng.standard_normal(shape)])
    compare(*both("rms_norm", (shape,), (chooser.choice([None, eps]),)), x, weight, **options)
    local = chooser.randint(1, 9), chooser.choice([1e-4, 0.3]), chooser.choice([0.75, 2.0]), 1.5
    compare(*both("local_response_norm", local), x, **options)


@pytest.mark.parametrize("kind", ["BatchNorm", "InstanceNorm"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("memory", ["contiguous", "channels-last"])
def test_layers_over_several_batches(kind, axes, momentum, affine, memory):
    if kind == "InstanceNorm":  # only batch norm can average over all batches
        momentum = momentum or 0.5
    options = {"momentum": momentum, "affine": affine, "track_running_stats": True}
    mine = getattr(nn, f"{kind}{axes}d")(6, dtype=np.float64, **options)
    theirs = getattr(torch.nn, f"{kind}{axes}d")(6, **options).double()
    rng = np.random.default_rng(0)
    for parameter, peer in zip(mine.parameters(), theirs.parameters()):
        parameter.data[...] = rng.standard_normal(6)
        peer.data.copy_(torch.tensor(parameter.data))
    for step in range(6):
        if step == 4:
            mine.eval()
            theirs.eval()
        x = rng.normal(step, 2, (3, 6, *(7, 5, 4)[:axes]))
        compare(mine, theirs, x, rng=rng, memory=memory)
        for name, array in mine.state_dict().items():
            np.testing.assert_allclose(array, theirs.state_dict()[name].numpy(), rtol=1e-12, atol=1e-12)
    for parameter, peer in zip(mine.parameters(), theirs.parameters()):
        np.testing.assert_allclose(parameter.grad, peer.grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_unpooling(seed):
    chooser, rng = random.Random(seed), np.random.default_rng(seed)
    axes = chooser.randint(1, 3)
    stride = [chooser.randint(1, 3) for _ in range(axes)]
    padding = [chooser.randint(0, s // 2) for s in stride]
    shape = (chooser.randint(1, 3), chooser.randint(1, 4), *(chooser.randint(4, 9) for _ in range(axes)))
    x = rng.permutation(np.prod(shape)).reshape(shape).astype(np.float64)
    pool = getattr(F, f"max_pool{axes}d")
    y, indices = pool(torch.tensor(x), stride, padding=padding, return_indices=True)
    mine, peer = getattr(sl, f"max_unpool{axes}d"), getattr(F, f"max_unpool{axes}d")
    size = [None, x.shape[2:], x.shape][seed % 3]
    if size is None:
        short = [(n - 1) * s - 2 * p + s for n, s, p in zip(y.shape[2:], stride, padding)]
        if int(indices.max()) >= np.prod(short):
            size = x.shape
    compare(
        lambda x: mine(x, indices.numpy(), stride, None, padding, size),
        lambda x: peer(x, indices, stride, None, padding, size),
        y.numpy(),
        rng=rng,
    )


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unpooling_of_windows_that_overlap(axes):
    """The results are PyTorch's; its gradients count a place once for each window that found it."""
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((2, 3, 7, 6, 5)[: axes + 2]), requires_grad=True)
    pool, unpool = getattr(F, f"max_pool{axes}d"), getattr(F, f"max_unpool{axes}d")
    y, indices = pool(x, 3, 1, padding=1, return_indices=True)
    mine = sl.Tensor(x.detach().numpy(), requires_grad=True)
    z, places = getattr(sl, f"max_pool{axes}d")(mine, 3, 1, 1, return_indices=True)
    result = getattr(sl, f"max_unpool{axes}d")(z, places, 3, 1, 1)
    np.testing.assert_array_equal(result.numpy(), unpool(y, indices, 3, 1, 1).detach().numpy())
    g = rng.standard_normal(result.shape)
    result.backward(g)
    np.testing.assert_array_equal(mine.grad, g * (result.numpy() != 0), "the maxima are handed through, once")


# --- a residual network ---------------------------------------------------------------------------------------------


def convolution(library, inputs, outputs, kernel, stride, **options):
    return library.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, **options)


class PeerResidual(torch.nn.Module):
    def __init__(self, module, shortcut=None):
        super().__init__()
        self.module, self.shortcut = module, shortcut

    def forward(self, x):
        return self.module(x) + (x if self.shortcut is None else self.shortcut(x))


def residual_network(library, **dtype):
    """Return a network of three blocks, the second of which halves the image."""
    residual = nn.Residual if library is nn else PeerResidual

    def block(inputs, outputs, stride):
        inside = library.Sequential(
            *(convolution(library, inputs, outputs, 3, stride, **dtype), library.BatchNorm2d(outputs, **dtype)),
            *(library.ReLU(), convolution(library, outputs, outputs, 3, 1, **dtype)),
            library.BatchNorm2d(outputs, **dtype),
        )
        if inputs == outputs and stride == 1:
            return residual(inside)
        short = convolution(library, inputs, outputs, 1, stride, **dtype), library.BatchNorm2d(outputs, **dtype)
        return residual(inside, library.Sequential(*short))

    return library.Sequential(
        *(convolution(library, 3, 8, 3, 1, **dtype), library.BatchNorm2d(8, momentum=None, **dtype), library.ReLU()),
        *(block(8, 8, 1), library.ReLU(), block(8, 12, 2), library.ReLU(), block(12, 12, 1), library.ReLU()),
        *(library.AdaptiveAvgPool2d(1), library.Flatten(), library.GroupNorm(3, 12, **dtype)),
        *(library.LayerNorm(12, **dtype), library.Linear(12, 5, **dtype)),
    )


@pytest.mark.parametrize("memory", ["contiguous", "channels-last"])
def test_a_residual_network_trains_to_the_same_weights(memory):
    mine = residual_network(nn, dtype=np.float64)
    theirs = residual_network(torch.nn, dtype=torch.float64)
    rng = np.random.default_rng(0)
    state = {
        name: rng.standard_normal(array.shape) * 0.3 if "weight" in name else array
        for name, array in mine.state_dict().items()
    }
    mine.load_state_dict(state)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in state.items()}, strict=True)
    optimizer = sl.optim.SGD(mine.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    peer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    for _ in range(20):
        x, labels = rng.standard_normal((6, 3, 10, 10)), rng.integers(5, size=6)
        optimizer.zero_grad()
        peer.zero_grad()
        loss = sl.cross_entropy(mine(arranged(x, memory)), labels)
        other = F.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels))
        np.testing.assert_allclose(loss.item(), other.item(), rtol=1e-8)
        loss.backward()
        other.backward()
        optimizer.step()
        peer.step()
    for name, array in mine.state_dict().items():
        np.testing.assert_allclose(array, theirs.state_dict()[name].numpy(), rtol=1e-7, atol=1e-9, err_msg=name)
    moved = [np.abs(array - state[name]).max() for name, array in mine.state_dict().items()]
    assert min(moved) > 1e-3, "something has not been trained"
    mine.eval()
    theirs.eval()
    np.testing.assert_allclose(mine(x).numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-7, atol=1e-8)
