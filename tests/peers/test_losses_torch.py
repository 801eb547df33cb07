"""Every loss against PyTorch over random calls: values, gradients by input and target, layers."""

import warnings

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.peers

functional = torch.nn.functional
REDUCTIONS = ("mean", "sum", "none")


def peer(value):
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def compare(name, x, target, options, rng, differentiate_target=True, rtol=1e-11):
    """Run a call in both libraries and compare the result and the gradients for a random cotangent."""
    wanted = differentiate_target and target.dtype.kind == "f"
    mine = [sl.Tensor(x, requires_grad=True), sl.Tensor(target, requires_grad=wanted)]
    other = [torch.tensor(x, requires_grad=True), torch.tensor(target, requires_grad=wanted)]
    y = getattr(sl, name)(*mine, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kl_div's "mean" is called into question
        z = getattr(functional, name)(*other, **{key: peer(value) for key, value in options.items()})
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=rtol, atol=1e-12, err_msg=f"{name} {options}")
    if not np.all(np.isfinite(y.numpy())):
        return
    g = rng.standard_normal(y.shape)
    y.backward(g)
    z.backward(torch.tensor(g))
    for a, b in zip(mine, other):
        if a.requires_grad:
            np.testing.assert_allclose(
                a.grad, b.grad.numpy(), rtol=rtol * 10, atol=1e-12, err_msg=f"{name} {options}"
            )


def shape_of(rng, largest=5):
    return tuple(int(n) for n in rng.integers(0, largest, rng.integers(0, 4)))


def differences(rng, *kinks):
    """Return arrays whose differences are random, but often 0 or exactly at a kink."""
    shape = shape_of(rng)
    target = rng.integers(-16, 16, shape) / 8
    special = rng.choice([0.0, *kinks, *(-k for k in kinks)], shape)
    return target + np.where(rng.random(shape) < 0.4, special, rng.standard_normal(shape) * 2), target


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("seed", range(5))
def test_distances(name, seed):
    rng = np.random.default_rng(seed)
    option = {"smooth_l1_loss": "beta", "huber_loss": "delta"}.get(name)
    for _ in range(40):
        options = {"reduction": REDUCTIONS[rng.integers(3)]}
        if option:
            options[option] = float(rng.choice([0.25, 1.0, 2.5] + [0.0] * (option == "beta")))
        compare(name, *differences(rng, *([options[option]] if option else ())), options, rng)


def broadcastable(rng, shape):
    """Return random positive factors of a shape that broadcasts to another, or None."""
    if rng.random() < 0.3:
        return None
    kept = shape[rng.integers(0, len(shape) + 1) :]
    return rng.uniform(0.1, 2, [n if rng.random() < 0.6 else 1 for n in kept])


@pytest.mark.parametrize("seed", range(8))
def test_binary_cross_entropy_with_logits(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        shape = shape_of(rng)
        x = rng.standard_normal(shape) * rng.choice([1, 10, 1000])
        target = rng.random(shape) if rng.random() < 0.5 else rng.integers(0, 2, shape).astype(float)
        options = {
            "weight": broadcastable(rng, shape),
            "pos_weight": broadcastable(rng, shape),
            "reduction": REDUCTIONS[rng.integers(3)],
        }
        compare("binary_cross_entropy_with_logits", np.asarray(x), target, options, rng, rtol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_binary_cross_entropy(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        shape = shape_of(rng)
        x = rng.random(shape)
        ends = rng.random(shape) < rng.choice([0, 0.4])
        x = np.where(ends, rng.integers(0, 2, shape), x)
        target = rng.random(shape) if rng.random() < 0.5 else rng.integers(0, 2, shape).astype(float)
        options = {"weight": broadcastable(rng, shape), "reduction": REDUCTIONS[rng.integers(3)]}
        # At 0 and 1 the logarithms are -100, as in the loss; PyTorch's gradient by the target forgets that. Its
        # denominator there is 1e-12 rounded to float32.
        compare("binary_cross_entropy", x, target, options, rng, not ends.any(), rtol=1e-9 if ends.any() else 1e-11)


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
def test_kl_div(log_target, reduction):
    rng = np.random.default_rng(0)
    for _ in range(40):
        shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(0, 4)))
        x, target = rng.standard_normal(shape), rng.uniform(0.01, 1, shape)
        zeros = not log_target and rng.random() < 0.3
        if zeros:
            target = np.where(rng.random(shape) < 0.4, 0, target)
        options = {"reduction": reduction, "log_target": log_target}
        compare("kl_div", np.asarray(x), np.asarray(target), options, rng, not zeros)


def classes_call(rng):
    """Return logits, classes, and the options that cross_entropy and nll_loss share; any position may be ignored."""
    count = int(rng.integers(1, 6))
    lead = [(), (1,), (5,), (3, 2), (2, 3, 1), (2, 1, 2, 3)][rng.integers(6)]
    x = rng.standard_normal((*lead[:1], count, *lead[1:])) * 3
    options = {
        "weight": rng.uniform(0.1, 2, count) if rng.random() < 0.6 else None,
        "reduction": REDUCTIONS[rng.integers(3)],
        "ignore_index": int(rng.choice([-100, 0, count - 1])),
    }
    ignored = rng.random(lead) < rng.choice([0, 0.4])
    return x, np.asarray(np.where(ignored, options["ignore_index"], rng.integers(count, size=lead))), options


@pytest.mark.parametrize("seed", range(10))
def test_cross_entropy_with_everything_at_once(seed):
    """Weights, label smoothing and ignored classes together, without spatial axes and with one to three."""
    rng = np.random.default_rng(seed)
    for _ in range(40):
        x, target, options = classes_call(rng)
        options["label_smoothing"] = float(rng.choice([0, 0.1, 0.5, 1]))
        compare("cross_entropy", x, target, options, rng)


@pytest.mark.parametrize("seed", range(10))
def test_nll_loss(seed):
    rng = np.random.default_rng(seed)
    for _ in range(40):
        compare("nll_loss", *classes_call(rng), rng)


WEIGHT = np.random.default_rng(1).uniform(0.5, 2, 5)
LAYERS = [
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1, "ignore_index": 2, "weight": WEIGHT}),
    ("NLLLoss", (WEIGHT,), {}),
    ("NLLLoss", (), {"ignore_index": 1, "reduction": "sum"}),
    ("MSELoss", (), {"reduction": "none"}),
    ("L1Loss", (), {}),
    ("L1Loss", (), {"reduction": "sum"}),
    ("SmoothL1Loss", (), {"beta": 0.5}),
    ("HuberLoss", ("sum", 0.5), {}),
    ("BCEWithLogitsLoss", (), {}),
    ("BCEWithLogitsLoss", (WEIGHT,), {"pos_weight": WEIGHT[::-1].copy(), "reduction": "sum"}),
    ("BCELoss", (WEIGHT,), {"reduction": "none"}),
    ("KLDivLoss", (), {"reduction": "batchmean"}),
    ("KLDivLoss", (), {"reduction": "batchmean", "log_target": True}),
]


@pytest.mark.parametrize(("name", "arguments", "keywords"), LAYERS)
def test_layers(name, arguments, keywords):
    rng = np.random.default_rng(0)
    mine = getattr(nn, name)(*arguments, **keywords)
    other = getattr(torch.nn, name)(*map(peer, arguments), **{k: peer(v) for k, v in keywords.items()})
    assert repr(mine) == repr(other)
    assert list(mine.state_dict()) == list(other.state_dict())
    x = rng.uniform(0.05, 0.95, (6, 5))
    target = rng.integers(0, 5, 6) if name in ("CrossEntropyLoss", "NLLLoss") else rng.uniform(0.05, 0.95, (6, 5))
    np.testing.assert_allclose(mine(x, target), other(torch.tensor(x), torch.tensor(target)).numpy(), rtol=1e-12)
