"""Optimizers and clipping against PyTorch, step by step, on a function with minima, curvature and noise."""

import inspect
import itertools
import zlib

import numpy as np
import pytest

from sevenloops import optim, schedules
from sevenloops.nn import Parameter
from tests.helpers.schedules import ALL

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

STEPS = 100
SHAPES = ((4, 3, 2, 2), (5,), (), (0, 3), (7, 2))

#: What to choose from; "lr" is drawn.
OPTIONS = {
    "SGD": {
        "momentum": [0.0, 0.5, 0.9],
        "dampening": [0.0, 0.3],
        "weight_decay": [0.0, 0.1],
        "nesterov": [False, True],
        "maximize": [False, True],
    },
    "Adam": {
        "betas": [(0.9, 0.999), (0.8, 0.95), (0.0, 0.9), (0.5, 0.5)],
        "eps": [1e-8, 1e-2],
        "weight_decay": [0.0, 0.1],
        "amsgrad": [False, True],
        "maximize": [False, True],
    },
    "RMSprop": {
        "alpha": [0.99, 0.9, 0.5],
        "eps": [1e-8, 1e-2],
        "weight_decay": [0.0, 0.1],
        "momentum": [0.0, 0.9],
        "centered": [False, True],
        "maximize": [False, True],
    },
    "Adagrad": {
        "lr_decay": [0.0, 0.05],
        "weight_decay": [0.0, 0.1],
        "initial_accumulator_value": [0.0, 0.2],
        "eps": [1e-10, 1e-2],
        "maximize": [False, True],
    },
}
OPTIONS["AdamW"] = OPTIONS["Adam"]


def combinations(name):
    names, values = OPTIONS[name].keys(), OPTIONS[name].values()
    for choice in itertools.product(*values):
        options = dict(zip(names, choice, strict=True))
        if not options.get("nesterov") or (options["momentum"] and not options["dampening"]):
            yield options


def gradient(p, noise, climbing):
    """The gradient of Σ sin(p) + p² / 2, or of its negative, and noise of the step."""
    return np.asarray((-1 if climbing else 1) * (np.cos(p) + p + noise), p.dtype)


def pair(name, rng, options, dtype, groups=1):
    """Ours and PyTorch's with the same parameters, dealt to groups with rates of their own."""
    starts = [np.asarray(rng.normal(size=shape)).astype(dtype) for shape in SHAPES]
    ours = [Parameter(start) for start in starts]
    theirs = [torch.nn.Parameter(torch.from_numpy(start.copy())) for start in starts]
    rates = [float(rate) for rate in rng.uniform(0.001, 0.1, groups)]
    dealt = [[{"params": all_[g::groups], "lr": rates[g]} for g in range(groups)] for all_ in (ours, theirs)]
    return ours, theirs, getattr(optim, name)(dealt[0], **options), getattr(torch.optim, name)(dealt[1], **options)


def step(ours, theirs, optimizers, rng, climbing, missing=0.0):
    """Make a step by the same gradients, those at our values."""
    for p, q in zip(ours, theirs, strict=True):
        noise = np.asarray(rng.normal(size=p.shape)) * 0.1
        p.grad = None if rng.random() < missing else gradient(p.data, noise, climbing)
        q.grad = None if p.grad is None else torch.from_numpy(p.grad.copy())
    for optimizer in optimizers:
        optimizer.step()


def assert_alike(ours, theirs, tolerance):
    for p, q in zip(ours, theirs, strict=True):
        wanted = q.detach().numpy()
        np.testing.assert_allclose(p.data, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_combination_of_options_for_a_hundred_steps(name):
    for case, options in enumerate(combinations(name)):
        rng = np.random.default_rng([zlib.crc32(name.encode()), case])
        ours, theirs, *optimizers = pair(name, rng, options, np.float64, groups=1 + case % 3)
        for _ in range(STEPS):
            step(ours, theirs, optimizers, rng, options["maximize"], missing=0.1)
            assert_alike(ours, theirs, 1e-12)


@pytest.mark.parametrize(
    ("name", "schedule"),
    [pair for pair in itertools.product(OPTIONS, ALL) if pair != ("Adagrad", "one_cycle")],  # no momentum to cycle
)
def test_a_hundred_steps_driven_by_a_schedule(name, schedule):
    rng = np.random.default_rng([zlib.crc32(name.encode()), zlib.crc32(schedule.encode())])
    options = rng.choice(list(combinations(name)))
    ours, theirs, *optimizers = pair(name, rng, options, np.float64, groups=int(rng.integers(1, 4)))
    make = ALL[schedule](rng)
    driven = make(schedules, optimizers[0]), make(torch.optim.lr_scheduler, optimizers[1])
    for _ in range(STEPS):
        step(ours, theirs, optimizers, rng, options["maximize"])
        assert_alike(ours, theirs, 2e-12)
        for each in driven:
            each.step()


@pytest.mark.parametrize("name", OPTIONS)
def test_float32(name):
    for case, options in enumerate(combinations(name)):
        if case % 7 == 0:
            rng = np.random.default_rng(case)
            ours, theirs, *optimizers = pair(
                name, rng, options | {"eps": 1e-2} if "eps" in options else options, "f4"
            )
            for _ in range(20):
                step(ours, theirs, optimizers, rng, options["maximize"])
            assert_alike(ours, theirs, 2e-5)


def as_arrays(value):
    """PyTorch's state with its tensors made arrays."""
    if isinstance(value, torch.Tensor):
        return value.numpy().copy()
    if isinstance(value, dict):
        return {name: as_arrays(entry) for name, entry in value.items()}
    return [as_arrays(entry) for entry in value] if isinstance(value, list) else value


def as_tensors(value, name=None):
    """Our state with its arrays and counts made tensors."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {key: as_tensors(entry, key) for key, entry in value.items()}
    if name == "step":
        return torch.tensor(float(value))
    return [as_tensors(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", OPTIONS)
def test_states_travel_both_ways(name):
    for case, options in enumerate(combinations(name)):
        if case % 5:
            continue
        rng = np.random.default_rng(case)
        ours, theirs, mine, peer = pair(name, rng, options, np.float64, groups=2)
        for _ in range(5):
            step(ours, theirs, (mine, peer), rng, options["maximize"])
        for p, q in zip(ours, theirs, strict=True):
            p.data[...] = q.detach().numpy()
        mine.load_state_dict(as_arrays(peer.state_dict()))
        for _ in range(5):
            step(ours, theirs, (mine, peer), rng, options["maximize"])
            assert_alike(ours, theirs, 1e-12)
        again = getattr(torch.optim, name)([{"params": group["params"]} for group in peer.param_groups])
        again.load_state_dict(as_tensors(mine.state_dict()) | {"param_groups": group_entries(mine, peer)})
        for _ in range(5):
            step(ours, theirs, (mine, again), rng, options["maximize"])
            assert_alike(ours, theirs, 1e-12)


def group_entries(mine, peer):
    """PyTorch's groups with our values; it has options of how to compute, too."""
    pairs = zip(peer.state_dict()["param_groups"], mine.state_dict()["param_groups"], strict=True)
    return [theirs | ours for theirs, ours in pairs]


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_and_order_of_arguments(name):
    """All but the options of how PyTorch computes."""
    ways = {"foreach", "differentiable", "fused", "capturable"}
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    ours = inspect.signature(getattr(optim, name)).parameters
    assert set(ours) == set(theirs) - ways
    for parameter, peer in zip(ours.values(), (p for n, p in theirs.items() if n in ours), strict=True):
        assert parameter.default == peer.default
    positional = [n for n, p in theirs.items() if p.kind is p.POSITIONAL_OR_KEYWORD and n in ours]
    assert [n for n in ours if n in positional] == [n for n in positional if n in ours]


# --- clipping -----------------------------------------------------------------------------------------------------


def with_gradients(rng, dtype, bad=None):
    ours = [Parameter(np.zeros(shape, dtype)) for shape in SHAPES]
    theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in ours]
    for place, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        if place != 1 and p.size:  # PyTorch has no largest element of an empty gradient
            p.grad = np.asarray(rng.normal(size=p.shape)).astype(dtype)
            if bad is not None and place == 0:
                p.grad[0, 0, 1] = bad
            q.grad = torch.from_numpy(p.grad.copy())
    return ours, theirs


def assert_gradients_alike(ours, theirs, tolerance):
    for p, q in zip(ours, theirs, strict=True):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=tolerance, atol=0)


@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
@pytest.mark.parametrize("order", [0.5, 1, 2, 2.5, 3, float("inf")])
@pytest.mark.parametrize("limit", [0.0, 0.3, 4.0, 1e6, float("inf")])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_clipping_by_norm(limit, order, bad, dtype, tolerance):
    ours, theirs = with_gradients(np.random.default_rng(0), dtype, bad)
    norm = optim.clip_grad_norm_(ours, limit, order)
    peer = torch.nn.utils.clip_grad_norm_(theirs, limit, order)
    np.testing.assert_allclose(norm, float(peer), rtol=tolerance)
    assert_gradients_alike(ours, theirs, tolerance)
    if bad is not None:
        for function, params in ((optim.clip_grad_norm_, ours), (torch.nn.utils.clip_grad_norm_, theirs)):
            with pytest.raises(RuntimeError, match="finite"):
                function(with_gradients(np.random.default_rng(0), dtype, bad)[params is theirs], limit, order, True)


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("limit", [0.0, 0.3, 4.0, float("inf")])
def test_clipping_by_value(limit, bad):
    ours, theirs = with_gradients(np.random.default_rng(0), np.float64, bad)
    optim.clip_grad_value_(ours, limit)
    torch.nn.utils.clip_grad_value_(theirs, limit)
    assert_gradients_alike(ours, theirs, 0)
