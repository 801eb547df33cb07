"""Random small networks, built alike in PyTorch and here, train to the same weights."""

import numpy as np
import pytest

from sevenloops import nn, optim, schedules
from sevenloops.autograd import Tensor

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")

STEPS = 20
RTOL = 1e-7  # of the weights after those steps, relative to their norm; both compute in float64

ACTIVATIONS = [
    *("ReLU", "LeakyReLU", "ReLU6", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Softplus", "Softsign", "Tanh"),
    *("Sigmoid", "LogSigmoid", "Hardswish", "Hardtanh", "Hardsigmoid", "Tanhshrink", "PReLU"),
]


class TorchResidual(torch.nn.Module):
    """What nn.Residual is, with the same names."""

    def __init__(self, module, shortcut=None):
        super().__init__()
        self.module = module
        self.shortcut = shortcut

    def forward(self, x):
        return self.module(x) + (x if self.shortcut is None else self.shortcut(x))


class Drawing:
    """Draws a network layer by layer; `shape` is what it gives so far, without the batch axis."""

    def __init__(self, rng):
        self.rng = rng
        self.axes = int(rng.choice([1, 2, 2, 2, 3]))
        channels, sizes = int(rng.integers(1, 4)), {1: (16, 30), 2: (9, 15), 3: (7, 10)}[self.axes]
        self.shape = self.input_shape = (channels, *(int(n) for n in rng.integers(*sizes, self.axes)))
        self.layers = []

    def add(self, kind, *args, **kwargs):
        """Add a layer, both libraries' kind of that name, if there is something left after it."""
        layer = (kind, args, kwargs)
        try:
            with torch.no_grad():
                shape = tuple(
                    build_torch(layer).double().eval()(torch.zeros(2, *self.shape, dtype=torch.float64)).shape
                )
        except RuntimeError:  # nothing is left
            return False
        if 0 in shape or np.prod(shape[1:]) > 4000:
            return False
        self.layers.append(layer)
        self.shape = shape[1:]
        return True

    def one(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def pair(self, low, high):
        """A size for each axis, or one for all."""
        sizes = tuple(int(n) for n in self.rng.integers(low, high, self.axes))
        return sizes if self.rng.random() < 0.5 else sizes[0]

    def draw(self):
        for _ in range(self.rng.integers(2, 5)):
            self.block()
            if self.rng.random() < 0.4:
                self.pooling()
        if self.rng.random() < 0.5:
            self.add(f"Adaptive{self.one('Avg', 'Max')}Pool{self.axes}d", int(self.rng.integers(1, 4)))
        self.add("Flatten")
        if self.rng.random() < 0.5:
            self.add("Linear", self.shape[0], 12)
            self.add(self.one(*ACTIVATIONS))
        self.add("Dropout", 0.0)
        self.add("Linear", self.shape[0], 5)
        return ("Sequential", self.layers, {})

    def block(self):
        channels, rng = self.shape[0], self.rng
        groups = int(self.one(*(g for g in (1, 1, 2, 3, 4, channels) if channels % g == 0)))
        out = groups * int(rng.integers(1, 1 + 8 // groups))
        norm = self.one(None, "BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm")
        # Under batch and instance norm a bias has no influence, and its gradient is rounding noise.
        settings = {"groups": groups, "bias": norm is None or norm == "LayerNorm"}
        if rng.random() < 0.25:
            done = self.add(
                f"ConvTranspose{self.axes}d", channels, out, self.pair(1, 4), stride=self.pair(1, 3), **settings
            )
        else:
            done = self.add(
                f"Conv{self.axes}d",
                channels,
                out,
                self.pair(1, 4),
                stride=self.pair(1, 3),
                padding=self.pair(0, 3),
                dilation=self.pair(1, 3),
                **settings,
            )
        if not done:
            return
        if norm == "LayerNorm":
            self.add("LayerNorm", self.shape)
        elif norm == "GroupNorm":
            divisors = [g for g in range(1, out + 1) if out % g == 0]
            if np.prod(self.shape) > 4 * max(divisors):
                self.add("GroupNorm", int(self.one(*divisors)), out)
        elif norm and np.prod(self.shape[1:]) > 3:
            self.add(f"{norm}{self.axes}d", out, momentum=0.2, affine=bool(rng.random() < 0.7))
        self.add(self.one(*ACTIVATIONS))
        if rng.random() < 0.3:
            channels = self.shape[0]
            conv = (f"Conv{self.axes}d", (channels, channels, 3), {"padding": 1})
            self.layers.append(("Residual", [("Sequential", [conv, ("Tanh", (), {})], {})], {}))

    def pooling(self):
        kernel = self.pair(1, 4)
        if self.rng.random() < 0.5:
            self.add(f"MaxPool{self.axes}d", kernel, self.pair(1, 3), ceil_mode=bool(self.rng.random() < 0.5))
        else:
            self.add(f"AvgPool{self.axes}d", kernel, count_include_pad=bool(self.rng.random() < 0.5))


def construct(kinds, layer):
    kind, args, kwargs = layer
    parts = [construct(kinds, arg) if isinstance(arg, tuple) and isinstance(arg[0], str) else arg for arg in args]
    return kinds(kind)(*parts, **kwargs)


def build_torch(layer):
    return construct(lambda kind: TorchResidual if kind == "Residual" else getattr(torch.nn, kind), layer)


def build_here(layer):
    return construct(lambda kind: getattr(nn, kind), layer)


OPTIMIZERS = [
    ("SGD", {"lr": 0.02}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.002, "eps": 1e-4}),
    ("AdamW", {"lr": 0.002, "eps": 1e-4, "weight_decay": 0.05}),
    ("RMSprop", {"lr": 0.001, "eps": 1e-4, "momentum": 0.5}),
]
SCHEDULES = [
    ("StepLR", {"step_size": 6, "gamma": 0.5}),
    ("CosineAnnealingLR", {"T_max": STEPS}),
    ("OneCycleLR", {"max_lr": 0.01, "total_steps": STEPS + 1}),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 8}),
]
LOSSES = [
    ("CrossEntropyLoss", {"label_smoothing": 0.1}),
    ("CrossEntropyLoss", {}),
    ("MSELoss", {}),
    ("HuberLoss", {"delta": 0.5}),
    ("BCEWithLogitsLoss", {}),
]


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_train_to_the_same_weights(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    drawing = Drawing(rng)
    network = drawing.draw()
    theirs = build_torch(network).double()
    mine = build_here(network).double()
    mine.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    assert list(mine.state_dict()) == list(theirs.state_dict())

    name, options = OPTIMIZERS[rng.integers(len(OPTIMIZERS))]
    step_theirs = getattr(torch.optim, name)(theirs.parameters(), **options)
    step_mine = getattr(optim, name)(mine.parameters(), **options)
    name, options = SCHEDULES[rng.integers(len(SCHEDULES))]
    plan_theirs = getattr(torch.optim.lr_scheduler, name)(step_theirs, **options)
    plan_mine = getattr(schedules, name)(step_mine, **options)
    name, options = LOSSES[rng.integers(len(LOSSES))]
    loss_theirs, loss_mine = getattr(torch.nn, name)(**options), getattr(nn, name)(**options)

    for _ in range(STEPS):
        x = rng.standard_normal((6, *drawing.input_shape))
        target = rng.integers(0, 5, 6) if name == "CrossEntropyLoss" else rng.random((6, 5))
        step_theirs.zero_grad()
        loss = loss_theirs(theirs(torch.from_numpy(x)), torch.from_numpy(target))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        step_theirs.step()
        plan_theirs.step()

        step_mine.zero_grad()
        value = loss_mine(mine(Tensor(x)), target)
        value.backward()
        optim.clip_grad_norm_(mine.parameters(), 1.0)
        step_mine.step()
        plan_mine.step()
        assert value.item() == pytest.approx(loss.item(), rel=1e-7, abs=1e-9)

    for name, value in theirs.state_dict().items():
        expected, actual = value.numpy(), mine.state_dict()[name]
        np.testing.assert_allclose(
            actual, expected, rtol=0, atol=RTOL * max(np.linalg.norm(expected), 1e-3), err_msg=f"{name} of {network}"
        )
    theirs.eval()
    mine.eval()
    x = rng.standard_normal((3, *drawing.input_shape))
    np.testing.assert_allclose(
        mine(x).numpy(), theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-6, atol=1e-7, err_msg=str(network)
    )
