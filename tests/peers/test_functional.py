"""Losses, activations, the affine map and Tensor's methods against PyTorch: values and gradients, in float64."""

import numpy as np
import pytest

import sevenloops as sl

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

functional = torch.nn.functional


def cross_entropy_call(rng, probabilities):
    """Return the arguments of a call; where classes are the target, some may be ignored."""
    classes = int(rng.integers(1, 6))
    lead = [(), (1,), (5,), (3, 2), (2, 3, 1)][rng.integers(5)]
    shape = (*lead[:1], classes, *lead[1:])
    options = {
        "weight": rng.uniform(0.1, 2, classes) if rng.random() < 0.5 else None,
        "reduction": ("mean", "sum", "none")[rng.integers(3)],
        "label_smoothing": (0.0, 0.1, 1.0)[rng.integers(3)],
    }
    if probabilities:
        return rng.standard_normal(shape) * 3, rng.random(shape), options
    options["ignore_index"] = int(rng.choice([-100, 0, classes - 1]))
    ignored = rng.random(lead) < rng.choice([0, 0.5])
    target = np.where(ignored, options["ignore_index"], rng.integers(classes, size=lead))
    return rng.standard_normal(shape) * 3, target, options


@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_cross_entropy(probabilities, seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        x, target, options = cross_entropy_call(rng, probabilities)
        theirs = [torch.tensor(x, requires_grad=True), torch.tensor(target, requires_grad=probabilities)]
        ours = [sl.Tensor(x, requires_grad=True), sl.Tensor(target, requires_grad=probabilities)]
        weight = options["weight"]
        expected = functional.cross_entropy(
            *theirs, **{**options, "weight": None if weight is None else torch.tensor(weight)}
        )
        result = sl.cross_entropy(*ours, **options)
        np.testing.assert_allclose(result.numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-12)
        g = rng.standard_normal(result.shape)
        result.backward(g)
        expected.backward(torch.tensor(g))
        if np.all(np.isfinite(result.numpy())):
            for mine, other in zip(ours, theirs):
                if mine.requires_grad:
                    np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-10, atol=1e-12)


ACTIVATIONS = {
    "relu": ((), {}),
    "leaky_relu": ((0.2,), {}),
    "tanh": ((), {}),
    "sigmoid": ((), {}),
    "softmax": ((1,), {}),
    "log_softmax": ((), {"dim": -1}),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    """At 0 too, where derivatives are a matter of convention."""
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 3, 4)) * 5, rng.standard_normal((2, 3, 4))
    x[0] = 0
    arguments, options = ACTIVATIONS[name]
    ours, theirs = sl.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    result = getattr(sl, name)(ours, *arguments, **options)
    expected = getattr(functional, name)(theirs, *arguments, **options)
    np.testing.assert_allclose(result.numpy(), expected.detach().numpy(), rtol=1e-13)
    result.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_loss(reduction):
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 4))
    theirs = [torch.tensor(x, requires_grad=True), torch.tensor(target, requires_grad=True)]
    ours = [sl.Tensor(x, requires_grad=True), sl.Tensor(target, requires_grad=True)]
    expected = functional.mse_loss(*theirs, reduction=reduction)
    result = sl.mse_loss(*ours, reduction=reduction)
    np.testing.assert_allclose(result.numpy(), expected.detach().numpy(), rtol=1e-13)
    g = rng.standard_normal(result.shape)
    result.backward(g)
    expected.backward(torch.tensor(g))
    for mine, other in zip(ours, theirs):
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3)])
def test_linear(shape):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in (shape, (6, 3), (6,))]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ours = [sl.Tensor(a, requires_grad=True) for a in arrays]
    expected, result = functional.linear(*theirs), sl.linear(*ours)
    np.testing.assert_allclose(result.numpy(), expected.detach().numpy(), atol=1e-13)
    g = rng.standard_normal(result.shape)
    result.backward(g)
    expected.backward(torch.tensor(g))
    for mine, other in zip(ours, theirs):
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), atol=1e-12)


def test_the_tensor_methods_mean_the_same():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, (2, 3, 4))
    calls = [
        lambda t: t.sum(),
        lambda t: t.sum(1),
        lambda t: t.sum(dim=(0, -1), keepdim=True),
        lambda t: t.mean(-1),
        lambda t: t.mean(axis=0),
        lambda t: t.flatten(),
        lambda t: t.flatten(1),
        lambda t: t.flatten(0, -2),
        lambda t: t.reshape(4, -1),
        lambda t: t.transpose(0, 2),
        lambda t: t.permute(1, 2, 0),
        lambda t: t[1, :, None, 2:],
        lambda t: t[[0, 1, 1]],
        lambda t: t @ t.transpose(1, 2),
        lambda t: t**3 / (t - 3) + 2 * t - t**-0.5,
        lambda t: t.exp() * t.log() - t.sqrt(),
    ]
    for call in calls:
        ours, theirs = sl.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        result, expected = call(ours), call(theirs)
        np.testing.assert_allclose(result.numpy(), expected.detach().numpy(), rtol=1e-12)
        g = rng.standard_normal(result.shape)
        result.backward(g)
        expected.backward(torch.tensor(g))
        np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-11)
