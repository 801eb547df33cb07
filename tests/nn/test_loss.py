"""The losses by their definition, and that the mean of the loss is the only place that knows the size of a batch."""

import copy
import math
import pickle

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import nn, optim
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(5, 4))
CLASSES = np.array([3, 0, 1, 1, 2])


def entropy(row, target):
    return math.log(sum(math.exp(v) for v in row)) - row[target]


def test_cross_entropy_by_hand():
    each = [entropy(row, c) for row, c in zip(LOGITS, CLASSES, strict=True)]
    assert nn.CrossEntropyLoss()(LOGITS, CLASSES) == pytest.approx(np.mean(each), rel=1e-12)
    assert nn.CrossEntropyLoss(reduction="sum")(LOGITS, CLASSES) == pytest.approx(sum(each), rel=1e-12)
    np.testing.assert_allclose(nn.CrossEntropyLoss(reduction="none")(LOGITS, CLASSES), each, rtol=1e-12)
    weight = np.array([1.0, 2.0, 0.5, 3.0])
    factors = weight[CLASSES]
    assert nn.CrossEntropyLoss(weight)(LOGITS, CLASSES) == pytest.approx(factors @ each / factors.sum(), rel=1e-12)
    assert nn.CrossEntropyLoss(ignore_index=1)(LOGITS, CLASSES) == pytest.approx(np.mean(np.take(each, [0, 1, 4])))
    smooth = [
        0.8 * e + 0.2 * np.mean([entropy(row, k) for k in range(4)]) for e, row in zip(each, LOGITS, strict=True)
    ]
    assert nn.CrossEntropyLoss(label_smoothing=0.2)(LOGITS, CLASSES) == pytest.approx(np.mean(smooth), rel=1e-12)


def test_class_weights_are_a_buffer():
    weight = np.ones(4)
    loss = nn.CrossEntropyLoss(weight)
    assert list(loss.state_dict()) == ["weight"]
    loss.weight[...] = 2
    assert (weight == 1).all()
    assert list(nn.CrossEntropyLoss().state_dict()) == []


def test_mean_squared_error_by_hand():
    x, t = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
    squares = [[(x[i, j] - t[i, j]) ** 2 for j in range(3)] for i in range(2)]
    assert nn.MSELoss()(x, t) == pytest.approx(sum(map(sum, squares)) / 6, rel=1e-12)
    assert nn.MSELoss(reduction="sum")(x, t) == pytest.approx(sum(map(sum, squares)), rel=1e-12)
    np.testing.assert_allclose(nn.MSELoss(reduction="none")(x, t), squares, rtol=1e-12)
    with pytest.raises(ShapeError):
        nn.MSELoss()(x, t[:1])


def network():
    """A network of every kind of layer that has parameters, and layers between them."""
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, dtype=np.float64, rng=rng),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.ConvTranspose2d(3, 2, 2, dtype=np.float64, rng=rng),
        nn.Flatten(),
        nn.Linear(2 * 4 * 3, 4, dtype=np.float64, rng=rng),
    )


def gradients(model, loss, x, target):
    model.zero_grad()
    loss(model(x), target).backward()
    return [p.grad.copy() for p in model.parameters()]


@pytest.mark.parametrize(
    ("kind", "target", "per_image"), [(nn.CrossEntropyLoss, CLASSES, 1), (nn.MSELoss, RNG.normal(size=(5, 4)), 4)]
)
def test_the_mean_of_the_loss_is_the_only_division_by_the_batch_size(kind, target, per_image):
    """The gradient of a sum is the sum of the images' own gradients; that of a mean is 1/N of it; nothing else is."""
    model, x = network(), np.random.default_rng(1).normal(size=(5, 2, 6, 4))
    alone = [gradients(model, kind(reduction="sum"), x[i : i + 1], target[i : i + 1]) for i in range(5)]
    summed = [sum(parts) for parts in zip(*alone, strict=True)]
    for got, wanted in zip(gradients(model, kind(reduction="sum"), x, target), summed, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())
    for got, wanted in zip(gradients(model, kind(), x, target), summed, strict=True):
        np.testing.assert_allclose(got * 5 * per_image, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


def test_neither_the_optimizer_nor_the_module_divides_again():
    model, x = network(), np.random.default_rng(1).normal(size=(5, 2, 6, 4))
    before = [p.data.copy() for p in model.parameters()]
    grads = gradients(model, nn.CrossEntropyLoss(), x, CLASSES)
    optim.SGD(model.parameters(), lr=1.0).step()
    for parameter, old, grad in zip(model.parameters(), before, grads, strict=True):
        np.testing.assert_array_equal(parameter.data, old - grad)


def test_an_image_twice_in_a_batch_changes_nothing():
    model, x = network(), np.random.default_rng(1).normal(size=(5, 2, 6, 4))
    once = gradients(model, nn.CrossEntropyLoss(), x, CLASSES)
    twice = gradients(model, nn.CrossEntropyLoss(), np.concatenate([x, x]), np.concatenate([CLASSES, CLASSES]))
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13 * np.abs(a).max())


def test_a_tensor_in_gives_a_tensor_out():
    loss = nn.CrossEntropyLoss()(Tensor(LOGITS, requires_grad=True), CLASSES)
    assert isinstance(loss, Tensor)
    assert loss.shape == ()


WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])
SHARES = RNG.uniform(0.05, 0.95, (5, 4))
TARGETS = RNG.uniform(0.05, 0.95, (5, 4))

#: Every loss with other arguments than its defaults, the function call that it stands for, and its buffers.
LAYERS = [
    (
        nn.CrossEntropyLoss(WEIGHT, ignore_index=1, reduction="sum", label_smoothing=0.1),
        lambda: sl.cross_entropy(LOGITS, CLASSES, WEIGHT, 1, "sum", 0.1), (LOGITS, CLASSES), ["weight"],
    ),
    (
        nn.NLLLoss(WEIGHT, ignore_index=1, reduction="sum"),
        lambda: sl.nll_loss(LOGITS, CLASSES, WEIGHT, 1, "sum"), (LOGITS, CLASSES), ["weight"],
    ),
    (nn.MSELoss(reduction="sum"), lambda: sl.mse_loss(SHARES, TARGETS, "sum"), (SHARES, TARGETS), []),
    (nn.L1Loss(reduction="none"), lambda: sl.l1_loss(SHARES, TARGETS, "none"), (SHARES, TARGETS), []),
    (
        nn.SmoothL1Loss(reduction="sum", beta=0.25),
        lambda: sl.smooth_l1_loss(SHARES, TARGETS, "sum", 0.25), (SHARES, TARGETS), [],
    ),
    (nn.HuberLoss("sum", 0.25), lambda: sl.huber_loss(SHARES, TARGETS, "sum", 0.25), (SHARES, TARGETS), []),
    (
        nn.BCELoss(WEIGHT, reduction="sum"),
        lambda: sl.binary_cross_entropy(SHARES, TARGETS, WEIGHT, "sum"), (SHARES, TARGETS), ["weight"],
    ),
    (
        nn.BCEWithLogitsLoss(WEIGHT, reduction="sum", pos_weight=WEIGHT[::-1]),
        lambda: sl.binary_cross_entropy_with_logits(LOGITS, TARGETS, WEIGHT, "sum", WEIGHT[::-1].copy()),
        (LOGITS, TARGETS), ["weight", "pos_weight"],
    ),
    (
        nn.KLDivLoss(reduction="batchmean", log_target=True),
        lambda: sl.kl_div(LOGITS, LOGITS[::-1], "batchmean", True), (LOGITS, LOGITS[::-1]), [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "call", "arguments", "buffers"), LAYERS)
def test_every_layer_is_its_function(layer, call, arguments, buffers):
    for module in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(module(*arguments), call())
        assert list(module.state_dict()) == buffers
        assert repr(module) == f"{type(layer).__name__}()"
        result = module(Tensor(arguments[0], requires_grad=True), arguments[1])
        assert isinstance(result, Tensor)
        assert result.requires_grad


def test_no_layer_is_forgotten():
    assert {type(layer).__name__ for layer, *_ in LAYERS} == set(nn.loss.__all__)
