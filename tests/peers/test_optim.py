"""Optimizers against PyTorch, over 100 steps on a function with minima, curvature and noise."""

import numpy as np
import pytest

from sevenloops import optim
from sevenloops.nn import Parameter

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

STEPS = 100


def gradient(p, noise):
    """The gradient of Σ sin(p) + p² / 2, and noise of the step."""
    return np.cos(p) + p + noise


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.05, "momentum": 0.9}),
        ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("Adam", {}),
        ("Adam", {"lr": 0.1, "betas": (0.8, 0.95)}),
        ("Adam", {"lr": 0.1, "eps": 1e-2, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.1, "betas": (0.0, 0.9)}),
    ],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_a_hundred_steps(name, options, dtype, tolerance):
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(dtype) for shape in ((4, 3, 2, 2), (5,), ())]
    ours = [Parameter(start) for start in starts]
    theirs = [torch.nn.Parameter(torch.from_numpy(start.copy())) for start in starts]
    optimizers = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(STEPS):
        for p, q in zip(ours, theirs, strict=True):
            noise = rng.normal(size=p.shape).astype(dtype) * dtype(0.1)
            p.grad = np.asarray(gradient(p.data, noise), dtype)
            q.grad = torch.from_numpy(np.asarray(gradient(q.detach().numpy(), noise), dtype))
        for optimizer in optimizers:
            optimizer.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_groups_and_names_of_the_state(name):
    """The state's keys are PyTorch's; ours counts the steps of SGD too."""
    keywords = {"momentum": 0.9} if name == "SGD" else {}
    p, q = Parameter(np.ones(2)), torch.nn.Parameter(torch.ones(2))
    mine, theirs = getattr(optim, name)([p], **keywords), getattr(torch.optim, name)([q], **keywords)
    p.grad, q.grad = np.ones(2), torch.ones(2)
    mine.step()
    theirs.step()
    ours, peers = mine.state_dict(), theirs.state_dict()
    assert set(peers["state"][0]) <= set(ours["state"][0])
    for option, value in ours["param_groups"][0].items():
        assert peers["param_groups"][0][option] == value
