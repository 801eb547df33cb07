import math

import numpy as np
import pytest

from sevenloops import is_grad_enabled, nn
from sevenloops.data import Normalize
from sevenloops.errors import ShapeError
from sevenloops.train import Evaluation, evaluate, predict_logits

IDENTITY = Normalize(0.0, 1.0)


class Scores(nn.Module):
    """A linear model that notes how it is called; `frozen` is a part that is not being trained."""

    def __init__(self, classes=4, features=6):
        super().__init__()
        self.layer = nn.Linear(features, classes, rng=0)
        self.frozen = nn.Linear(1, 1, rng=0).eval()
        self.register_buffer("mean", np.arange(3.0))
        self.sizes, self.modes, self.gradients = [], [], []

    def forward(self, x):
        self.sizes.append(len(x))
        self.modes += [module.training for module in self.modules()]
        self.gradients.append(is_grad_enabled())
        return self.layer(np.reshape(x, (len(x), -1)))


def images_of(count, rng=0):
    return np.random.default_rng(rng).integers(0, 256, (count, 1, 2, 3), np.uint8)


def test_accuracy_answers_and_mistakes_by_hand():
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.05, 0.05, 0.9], [0.3, 0.4, 0.3]])
    outcome = Evaluation(logits, np.array([0, 2, 1, 0]))
    assert outcome.answers.tolist() == [0, 1, 2, 1]
    assert outcome.accuracy == 0.25
    assert outcome.mistakes.tolist() == [2, 1, 3]
    np.testing.assert_allclose(outcome.probabilities, np.exp(logits))


def test_the_loss_is_the_mean_of_minus_the_log_of_the_right_probability():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0, 3, (30, 5)), rng.integers(0, 5, 30)
    total = 0.0
    for row, label in zip(logits, labels):
        total -= math.log(math.exp(row[label]) / sum(math.exp(value) for value in row))
    assert Evaluation(logits, labels).loss == pytest.approx(total / 30, rel=1e-12)


def test_a_confident_mistake_has_a_large_but_finite_loss():
    assert Evaluation(np.array([[1e4, 0]], np.float32), np.array([1])).loss == pytest.approx(1e4)


def test_equally_confident_mistakes_keep_their_order():
    assert Evaluation(np.zeros((4, 2)), np.array([1, 0, 1, 1])).mistakes.tolist() == [0, 2, 3]


@pytest.mark.parametrize("count", [1, 249, 250, 251, 500, 507])
def test_batches_join_to_what_each_image_gives_alone(count):
    model, images = Scores(), images_of(count)
    logits = predict_logits(model, images, Normalize(0.25, 0.5))
    assert sum(model.sizes) == count
    assert max(model.sizes) <= 250
    weight, bias = (model.layer.state_dict()[name].astype(np.float64) for name in ("weight", "bias"))
    expected = ((images.reshape(count, -1) / 255 - 0.25) / 0.5) @ weight.T + bias
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_evaluation_changes_nothing():
    model, images, labels = Scores(), images_of(300), np.arange(300) % 4
    kept_images = images.copy()
    before = {name: value.copy() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    assert True in modes
    assert False in modes
    evaluate(model, images, labels, IDENTITY)
    assert [module.training for module in model.modules()] == modes
    assert set(model.modes) == {False}
    assert set(model.gradients) == {False}
    assert is_grad_enabled()
    after = model.state_dict()
    assert list(after) == list(before)
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    assert all(parameter.grad is None for parameter in model.parameters())
    np.testing.assert_array_equal(images, kept_images)


def test_a_failure_leaves_the_modes_as_they_were():
    model = Scores(features=5)
    with pytest.raises(ValueError):
        predict_logits(model, images_of(3), IDENTITY)
    assert (model.training, model.layer.training, model.frozen.training) == (True, True, False)


def test_evaluate_pairs_answers_with_labels():
    model, images = Scores(), images_of(40)
    labels = predict_logits(model, images, IDENTITY).argmax(axis=1)
    assert evaluate(model, images, labels, IDENTITY).accuracy == 1
    assert evaluate(model, images, (labels + 1) % 4, IDENTITY).accuracy == 0


def test_no_image_is_an_error():
    with pytest.raises(ShapeError, match="at least one image"):
        predict_logits(Scores(), images_of(0), IDENTITY)
