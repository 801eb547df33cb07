import numpy as np
import pytest

from sevenloops import nn, optim
from sevenloops.autograd import Tensor
from sevenloops.data import Dataset, Loader, Normalize
from sevenloops.functional import cross_entropy
from sevenloops.train import Trainer
from sevenloops.train.finite import check_gradients, check_loss, generators_of


class Broken(nn.Module):
    """Gives what is no number, forward or in the gradient alone."""

    def __init__(self, when):
        super().__init__()
        self.when = when
        self.scale = nn.Parameter(np.ones(1, np.float32))

    def forward(self, x):
        if self.when == "forward":
            return x * (self.scale * np.nan)
        # |s|^½ at s = 0: its value is finite, its slope is not
        if self.when == "in tests":
            return x * (self.scale * (1 if self.training else np.nan))
        return x + (self.scale - 1) ** 0.5 if self.when == "backward" else x * self.scale


def model_of(when, place):
    layers = [
        nn.Flatten(),
        nn.Linear(4, 8, rng=0),
        nn.Tanh(),
        nn.Sequential(nn.Linear(8, 8, rng=1)),
        nn.Linear(8, 3, rng=2),
    ]
    layers.insert(place, Broken(when))
    return nn.Sequential(*layers)


def images_of(count=6):
    return np.random.default_rng(0).random((count, 1, 2, 2), np.float32)


def trainer_of(model, lr=0.1, count=6):
    labels = np.arange(count) % 3
    images = (255 * images_of(count)).astype(np.uint8)
    dataset = Dataset("d", images, labels, images[:2], labels[:2], ("a", "b", "c"))
    return Trainer(model, optim.SGD(model.parameters(), lr=lr), Loader(images, labels, 2)), dataset


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_the_layer_is_named_where_the_first_such_value_arises(place):
    trainer, dataset = trainer_of(model_of("forward", place))
    with pytest.raises(
        FloatingPointError, match=rf"at step 1 of epoch 1: it arose in {place} \(Broken\), its result is"
    ):
        list(trainer.fit(dataset, 1, test_transform=Normalize(0.0, 1.0)))


def test_the_layer_is_named_where_only_the_test_shows_it():
    trainer, dataset = trainer_of(model_of("in tests", 2))
    with pytest.raises(
        FloatingPointError, match=r"on the test images after epoch 1: it arose in 2 \(Broken\), its result is"
    ):
        list(trainer.fit(dataset, 1, test_transform=Normalize(0.0, 1.0)))


def test_a_draw_that_only_the_step_saw_is_searched_again():
    class Unlucky(nn.Module):
        """Gives what is no number at its first draw."""

        def __init__(self):
            super().__init__()
            self.generator = np.random.default_rng(0)
            self.first = np.random.default_rng(0).random()

        def forward(self, x):
            return x * (np.nan if self.generator.random() == self.first else 1.0)

    trainer, dataset = trainer_of(nn.Sequential(nn.Flatten(), Unlucky(), nn.Linear(4, 3, rng=0)))
    with pytest.raises(FloatingPointError, match=r"at step 1 of epoch 1: it arose in 1 \(Unlucky\)"):
        list(trainer.fit(dataset, 1, test_transform=Normalize(0.0, 1.0)))


def test_the_innermost_layer_is_named():
    trainer, dataset = trainer_of(nn.Sequential(nn.Sequential(model_of("forward", 2))))
    with pytest.raises(FloatingPointError, match=r"it arose in 0\.0\.2 \(Broken\)"):
        list(trainer.fit(dataset, 1, test_transform=Normalize(0.0, 1.0)))


@pytest.mark.parametrize("place", [2, 4])
def test_a_gradient_is_traced_to_the_last_layer_that_has_one(place):
    trainer, dataset = trainer_of(model_of("backward", place))
    with pytest.raises(
        FloatingPointError,
        match=rf"gradients must stay finite, but at step 1 of epoch 1 that of scale in {place} \(Broken\)",
    ):
        list(trainer.fit(dataset, 1, test_transform=Normalize(0.0, 1.0)))


def test_weights_that_a_step_has_ruined_are_named():
    trainer, dataset = trainer_of(model_of("nowhere", 2))
    step = trainer.optimizer.step

    def ruin():
        step()
        dict(trainer.model.named_parameters())["4.0.bias"].data[3] = np.nan

    trainer.optimizer.step = ruin
    with pytest.raises(
        FloatingPointError,
        match=r"nan at step 2 of epoch 1: it arose in 4\.0 \(Linear\), its bias had been ruined by the step",
    ):
        list(trainer.fit(dataset, 1, test_transform=Normalize(0.0, 1.0)))


def test_a_learning_rate_that_is_far_too_large_ends_in_one_sentence():
    trainer, dataset = trainer_of(model_of("nowhere", 2), lr=1e30, count=60)
    sentence = r"must stay finite, .*(it arose in|that of) .*; use a smaller learning rate\.$"
    with pytest.raises(FloatingPointError, match=sentence):
        list(trainer.fit(dataset, 9, test_transform=Normalize(0.0, 1.0)))


def test_images_that_are_not_finite_are_named():
    images = images_of(2)
    images[1, 0, 0, 1] = np.nan
    with pytest.raises(FloatingPointError, match="is nan here: some of the images are not finite"):
        check_loss(float("nan"), "here", model_of("nowhere", 1), lambda: images)


def test_a_loss_that_is_infinite_by_itself():
    with pytest.raises(FloatingPointError, match="it arose in the loss itself"):
        check_loss(float("inf"), "here", model_of("nowhere", 1), lambda: images_of())


def test_the_search_sees_what_the_step_saw_and_leaves_no_hook():
    """Dropout draws the same mask again: only with that mask does the layer after it overflow."""
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5, rng=3), nn.Linear(4, 3, rng=0))
    seen = []
    forward = model[2].forward
    model[2].forward = lambda x: seen.append(np.array(x)) or forward(x)
    states = [(g, g.bit_generator.state) for _, g in generators_of(model)]
    model(Tensor(images_of()))
    with pytest.raises(FloatingPointError):
        check_loss(float("nan"), "here", model, images_of, states)
    np.testing.assert_array_equal(seen[0], seen[1])
    model(Tensor(np.full((1, 1, 2, 2), np.nan, np.float32)))  # nobody watches any more


def test_finite_gradients_whose_sum_overflows_pass():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, rng=0))
    cross_entropy(model(Tensor(images_of())), np.zeros(6, int)).backward()
    model[1].weight.grad[:] = np.finfo(np.float32).max
    with np.errstate(over="ignore"):
        check_gradients(model, "here")


def test_generators_are_found_wherever_they_are():
    model = nn.Sequential(nn.Dropout(0.1, rng=0), nn.Sequential(nn.ReLU(), nn.Dropout(0.2, rng=1)))
    assert [name for name, _ in generators_of(model)] == ["0.generator", "1.1.generator"]
