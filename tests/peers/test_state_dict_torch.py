"""States of networks against PyTorch's: the same names in the same order, and files that travel both ways."""

import random

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.autograd import no_grad
from sevenloops.serialization import load, save

torch = pytest.importorskip("torch")
files = pytest.importorskip("safetensors.torch")
pytestmark = pytest.mark.peers

RNG = np.random.default_rng(0)


def configurations():
    """Layers that both libraries make from the same arguments, and the shape of an input."""
    spatial = {1: (11,), 2: (9, 8), 3: (5, 4, 6)}
    for axes, size in spatial.items():
        for bias in (True, False):
            yield f"Conv{axes}d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2, "bias": bias}, (2, 4, *size)
            yield f"ConvTranspose{axes}d", (4, 6, 3), {"stride": 2, "groups": 2, "bias": bias}, (2, 4, *size)
        for affine in (True, False):
            for tracked in (True, False):
                options = {"affine": affine, "track_running_stats": tracked}
                yield f"BatchNorm{axes}d", (4,), options, (2, 4, *size)
                yield f"InstanceNorm{axes}d", (4,), options, (2, 4, *size)
        yield f"BatchNorm{axes}d", (4,), {"momentum": None, "eps": 1e-3}, (2, 4, *size)
    for bias in (True, False):
        yield "Linear", (5, 3), {"bias": bias}, (2, 5)
        yield "LayerNorm", ((4, 5),), {"bias": bias}, (2, 4, 5)
    yield "LayerNorm", (5,), {"elementwise_affine": False}, (2, 4, 5)
    yield "RMSNorm", (5,), {}, (2, 4, 5)
    for affine in (True, False):
        yield "GroupNorm", (2, 4), {"affine": affine}, (2, 4, 9)
    yield "LocalResponseNorm", (3,), {}, (2, 4, 9)
    for count in (1, 4):
        yield "PReLU", (count,), {}, (2, 4, 9)
    yield "Identity", (), {}, (3,)
    yield "Flatten", (), {}, (2, 3, 4)
    yield "Unflatten", (1, (2, 3)), {}, (2, 6)


LAYERS = list(configurations())


def changed(module):
    """Give a module of PyTorch random weights and running statistics, as if it had been trained."""
    for name, tensor in module.state_dict().items():
        if tensor.dtype == torch.int64:
            tensor.fill_(7)
        else:
            values = RNG.uniform(0.5, 2, tensor.shape) if "running_var" in name else RNG.standard_normal(tensor.shape)
            tensor.copy_(torch.from_numpy(np.asarray(values)))
    return module


def agree(mine, theirs):
    """Compare names, order, shapes and dtypes."""
    ours, peers = mine.state_dict(), theirs.state_dict()
    assert list(ours) == list(peers)
    for name, array in ours.items():
        assert array.shape == tuple(peers[name].shape), name
        assert array.dtype == peers[name].numpy().dtype, name
    assert [name for name, _ in mine.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in mine.named_buffers()] == [name for name, _ in theirs.named_buffers()]
    assert [name for name, _ in mine.named_modules()] == [name for name, _ in theirs.named_modules()]


def travel(mine, theirs, other, folder):
    """Carry PyTorch's state into ours as a file, and ours into another one of PyTorch's."""
    files.save_file(theirs.state_dict(), folder / "theirs.safetensors")
    result = mine.load_state_dict(load(folder / "theirs.safetensors"), strict=True)
    assert result == ([], [])
    save(folder / "ours.safetensors", mine.state_dict())
    other.load_state_dict(files.load_file(folder / "ours.safetensors"), strict=True)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def outputs_agree(mine, theirs, shape):
    x = RNG.standard_normal(shape).astype(np.float32)
    mine.eval()
    theirs.eval()
    with no_grad(), torch.no_grad():
        y = mine(x)
        y = y.numpy() if hasattr(y, "numpy") else y
        np.testing.assert_allclose(y, theirs(torch.from_numpy(x)).numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), LAYERS)
def test_every_layer(name, arguments, options, shape, tmp_path):
    ours, peers = getattr(nn, name), getattr(torch.nn, name)
    mine, theirs = ours(*arguments, **options), changed(peers(*arguments, **options))
    agree(mine, theirs)
    travel(mine, theirs, peers(*arguments, **options), tmp_path)
    outputs_agree(mine, theirs, shape)
    shown = {repr(mine), repr(theirs)}
    assert len(shown) == 1


def random_network(rng):
    """Return how to make a network of either library from images (N, 3, 12, 12) to (N, 5), nested at random."""
    plan, channels = [], 3
    for _ in range(rng.randint(2, 4)):
        width = rng.choice([4, 6, 8])
        plan.append(("conv", channels, width, rng.choice([1, 3]), rng.random() < 0.5))
        plan.append((rng.choice(["batch", "group", "instance", "none"]), width, rng.random() < 0.5))
        plan.append((rng.choice(["relu", "prelu", "tanh"]), width))
        channels = width
    transposed, nested = rng.random() < 0.5, rng.random() < 0.7

    def make(library):
        def build(kind, *options):
            match kind:
                case "conv":
                    channels, width, kernel, bias = options
                    return library.Conv2d(channels, width, kernel, padding=kernel // 2, bias=bias)
                case "batch":
                    return library.BatchNorm2d(options[0], affine=options[1])
                case "group":
                    return library.GroupNorm(2, options[0], affine=options[1])
                case "instance":
                    return library.InstanceNorm2d(options[0], affine=options[1], track_running_stats=options[1])
                case "prelu":
                    return library.PReLU(options[0])
                case "relu" | "tanh":
                    return library.ReLU() if kind == "relu" else library.Tanh()
            return library.Identity()

        layers = [build(*entry) for entry in plan]
        if nested:
            layers = [library.Sequential(*layers[i : i + 3]) for i in range(0, len(layers), 3)]
        if transposed:
            layers.append(library.ConvTranspose2d(channels, channels, 2, stride=2))
        return library.Sequential(
            *layers, library.AdaptiveAvgPool2d(2), library.Flatten(), library.Linear(4 * channels, 5)
        )

    return make


@pytest.mark.parametrize("seed", range(25))
def test_random_networks(seed, tmp_path):
    make = random_network(random.Random(seed))
    mine, theirs = make(nn), changed(make(torch.nn))
    agree(mine, theirs)
    travel(mine, theirs, make(torch.nn), tmp_path)
    outputs_agree(mine, theirs, (2, 3, 12, 12))


def heads(library):
    """Modules in a list, one of them twice, and a buffer that is not part of the state."""

    class Heads(library.Module):
        def __init__(self):
            super().__init__()
            self.scale = library.Parameter(torch.ones(2) if library is torch.nn else np.ones(2, np.float32))
            self.heads = library.ModuleList([library.Linear(4, 2), library.Linear(4, 2, bias=False)])
            self.again = self.heads[1]
            ramp = np.arange(2, dtype=np.float32)
            self.register_buffer("hidden", torch.from_numpy(ramp) if library is torch.nn else ramp, persistent=False)
            self.register_buffer("shown", torch.from_numpy(ramp) if library is torch.nn else ramp)
            self.norm = library.BatchNorm1d(2)

        def forward(self, x):
            return self.norm(self.scale * sum((head(x) for head in self.heads), self.again(x)))

    return Heads()


def test_lists_shared_modules_and_buffers(tmp_path):
    mine, theirs = heads(nn), changed(heads(torch.nn))
    agree(mine, theirs)
    # safetensors.torch refuses to save one tensor under two names, so copies travel.
    state = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    files.save_file(state, tmp_path / "theirs")
    mine.load_state_dict(load(tmp_path / "theirs"))
    save(tmp_path / "ours", mine.state_dict())
    heads(torch.nn).load_state_dict(files.load_file(tmp_path / "ours"), strict=True)
    outputs_agree(mine, theirs, (3, 4))


def containers(library):
    class Containers(library.Module):
        def __init__(self):
            super().__init__()
            self.heads = library.ModuleDict(
                {"b": library.Linear(2, 3), "a": library.Sequential(library.Linear(2, 2))}
            )
            ones = torch.ones if library is torch.nn else lambda n: np.ones(n, np.float32)
            self.scales = library.ParameterList([library.Parameter(ones(n)) for n in (2, 3)])

        def forward(self, x):
            return self.heads["b"](self.heads["a"](x) * self.scales[0]) * self.scales[1]

    return Containers()


def test_dicts_of_modules_and_lists_of_parameters(tmp_path):
    mine, theirs = containers(nn), changed(containers(torch.nn))
    agree(mine, theirs)
    travel(mine, theirs, containers(torch.nn), tmp_path)
    outputs_agree(mine, theirs, (4, 2))


def test_a_state_that_does_not_fit_is_refused_by_both():
    mine, theirs = nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    state = mine.state_dict()
    del state["running_var"]
    for wrong in (state, mine.state_dict() | {"more": np.ones(1, np.float32)}):
        with pytest.raises(ValueError, match=r"missing|not expected"):
            mine.load_state_dict(wrong)
        with pytest.raises(RuntimeError):
            theirs.load_state_dict({name: torch.from_numpy(array) for name, array in wrong.items()})
