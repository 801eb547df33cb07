"""The kernels of the losses of classes: what belongs to one position stays there."""

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.losses import classes as losses


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_positions_that_do_not_count_have_no_loss_and_no_gradient(smoothing):
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((2, 3, 4)), rng.integers(3, size=(2, 4))
    counted = np.ones((2, 4), bool)
    counted[1, 2] = False
    weight, grad = rng.uniform(0.5, 2, 3), rng.standard_normal((2, 4))
    values, kept = losses.class_cross_entropy(logits, labels, counted, weight, smoothing)
    gradient = losses.class_cross_entropy_grad(grad, kept, labels, counted, weight, smoothing)
    assert values[1, 2] == 0
    assert not gradient[1, :, 2].any()
    assert np.all(values[counted] > 0)
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-15)  # adding the same to all logits changes nothing


@pytest.mark.parametrize("name", ["class_cross_entropy", "probability_cross_entropy", "negative_log_likelihood"])
def test_each_is_in_the_table_of_backends(name):
    for direction in ("forward", "input_grad"):
        assert "numpy" in backends.backends_of(name, direction)


def test_classes_are_probabilities_of_one():
    rng = np.random.default_rng(0)
    logits, labels, grad = rng.standard_normal((2, 3, 4)), rng.integers(3, size=(2, 4)), rng.standard_normal((2, 4))
    counted, weight = np.ones((2, 4), bool), rng.uniform(0.5, 2, 3)
    t = losses.smoothed_probabilities(np.moveaxis(np.eye(3)[labels], -1, 1), weight, 0.1)
    by_class, kept = losses.class_cross_entropy(logits, labels, counted, weight, 0.1)
    by_probability, logp = losses.probability_cross_entropy(logits, t)
    # The smoothed part has the weight of each class, the rest that of the label; with one-hot targets it is the same.
    np.testing.assert_allclose(by_class, by_probability, rtol=1e-13)
    np.testing.assert_allclose(
        losses.class_cross_entropy_grad(grad, kept, labels, counted, weight, 0.1),
        losses.probability_cross_entropy_grad(grad, logp, t),
        atol=1e-14,
    )


def test_negative_log_likelihood_is_cross_entropy_behind_log_softmax():
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((2, 3, 4)), rng.integers(3, size=(2, 4))
    counted = rng.random((2, 4)) < 0.7
    weight, grad = rng.uniform(0.5, 2, 3), rng.standard_normal((2, 4))
    expected, _ = losses.class_cross_entropy(logits, labels, counted, weight, 0.0)
    logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    values = losses.negative_log_likelihood(logp, labels, counted, weight)
    np.testing.assert_allclose(values, expected, rtol=1e-13, atol=1e-14)
    gradient = losses.negative_log_likelihood_grad(grad, logp.shape, labels, counted, weight)
    for n, c, d in np.ndindex(gradient.shape):
        assert gradient[n, c, d] == (-weight[c] * grad[n, d] if counted[n, d] and labels[n, d] == c else 0)
