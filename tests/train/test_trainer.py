"""The training loop, against gradient descent written out; its state, against a loop that nothing interrupted."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sevenloops import nn, optim, schedules
from sevenloops.data import Compose, Dataset, Loader, Normalize, RandomShift
from sevenloops.functional import relu
from sevenloops.train import EpochRecord, Progress, Trainer
from sevenloops.train.checkpoint import read_checkpoint, write_checkpoint
from tests.helpers.tiny_sets import tiny_digits

PLAIN = Normalize(0.0, 1.0)

# --- the loop ----------------------------------------------------------------------------------------------------


def softmax_regression(images, labels, weight, bias, rate, batch):
    """One epoch of plain gradient descent, from the definition; return mean loss and share of right answers."""
    total, right = 0.0, 0
    for start in range(0, len(images), batch):
        x, y = images[start : start + batch], labels[start : start + batch]
        logits = x @ weight.T + bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        right += (logits.argmax(axis=1) == y).sum()
        total -= np.log(probabilities[np.arange(len(y)), y]).sum()
        difference = (probabilities - np.eye(len(bias))[y]) / len(y)
        weight -= rate * difference.T @ x
        bias -= rate * difference.sum(axis=0)
    return total / len(images), right / len(images)


def test_the_loop_is_gradient_descent_on_every_batch_the_last_partial_one_too():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (50, 1, 2, 3), np.uint8), rng.integers(0, 3, 50)
    dataset = Dataset("random", images[:38], labels[:38], images[38:], labels[38:], ("a", "b", "c"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 3, rng=1))
    weight, bias = (model.state_dict()[f"1.{name}"].astype(np.float64) for name in ("weight", "bias"))
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.5), Loader(images[:38], labels[:38], 16))
    pixels = images.reshape(50, 6) / 255
    for epoch, (record, outcome) in enumerate(trainer.fit(dataset, 3, test_transform=PLAIN), 1):
        loss, accuracy = softmax_regression(pixels[:38], labels[:38], weight, bias, 0.5, 16)
        np.testing.assert_allclose(model.state_dict()["1.weight"], weight, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(model.state_dict()["1.bias"], bias, rtol=1e-4, atol=1e-6)
        assert record.epoch == epoch
        assert (record.train_loss, record.train_accuracy) == (pytest.approx(loss, rel=1e-5), accuracy)
        logits = pixels[38:] @ weight.T + bias
        np.testing.assert_allclose(outcome.logits, logits, rtol=1e-4, atol=1e-5)
        assert (record.test_loss, record.test_accuracy) == (outcome.loss, outcome.accuracy)
        assert record.images_per_second == pytest.approx(38 / record.seconds)


def test_a_model_is_trained_in_training_mode_and_tested_in_the_other():
    dataset = tiny_digits(20, 5)
    modes = []

    class Watched(nn.Sequential):
        def forward(self, x):
            modes.append((len(x), self.training))
            return super().forward(x)

    model = Watched(nn.Flatten(), nn.Linear(784, 10, rng=0)).eval()
    trainer = Trainer(
        model, optim.SGD(model.parameters(), lr=0.1), Loader(dataset.train_images, dataset.train_labels, 20)
    )
    for _ in trainer.fit(dataset, 2, test_transform=PLAIN):
        model.eval()  # as somebody who looks at the model between epochs may do
    assert modes == [(20, True), (5, False)] * 2


def test_long_gradients_are_clipped_before_the_step():
    dataset = tiny_digits(20, 5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10, rng=0))
    before = model.state_dict()
    trainer = Trainer(
        model,
        optim.SGD(model.parameters(), lr=1.0),
        Loader(dataset.train_images, dataset.train_labels, 20),
        clip_norm=0.125,
    )
    list(trainer.fit(dataset, 1, test_transform=PLAIN))
    moved = sum(np.sum((value.astype(float) - before[name]) ** 2) for name, value in model.state_dict().items())
    assert moved**0.5 == pytest.approx(0.125, rel=1e-3)


def test_a_plateau_is_told_of_the_test_loss_once_an_epoch():
    trainer, dataset = build("plateau")
    told = []
    trainer.schedule.step = lambda loss: told.append(loss)
    records = [record for record, _ in trainer.fit(dataset, 3, test_transform=PLAIN)]
    assert told == [record.test_loss for record in records]


def test_an_epoch_is_reported_when_its_record_has_been_dealt_with():
    """What is done with a record is to save it: a line that can be read promises that."""
    trainer, dataset = build()
    events = []
    progress = Progress(2, 60, quiet=True)
    progress.line = lambda text: events.append(text.partition(":")[0])
    for record, _ in trainer.fit(dataset, 2, test_transform=PLAIN, progress=progress):
        events.append(f"save {record.epoch}")
    assert events == ["save 1", "epoch 1", "save 2", "epoch 2"]


def test_a_record_says_it_in_a_line():
    record = EpochRecord(4, 0.12345, 0.98765, 0.2, 0.974, 2.0, 33000.4)
    assert str(record) == "epoch 4: loss 0.1235, accuracy 98.77 %; test 0.2000, 97.40 %; 33,000 images/s"
    for epoch, train, test in ((100, 0.0123456, 0.0234567), (100, 9.99, 999.99), (10, 1.9e29, 8.1e29)):
        assert len(str(replace(record, epoch=epoch, train_loss=train, test_loss=test))) <= 80


# --- its state ---------------------------------------------------------------------------------------------------

EPOCHS, STEPS = 3, 4  # 4 batches of 60 images: 16, 16, 16, 12

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda p: optim.Adam(p, lr=0.003),
    "adamw": lambda p: optim.AdamW(p, lr=0.003),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.001, momentum=0.5, centered=True),
}
SCHEDULES = {
    "none": lambda o: None,
    "cosine": lambda o: schedules.CosineAnnealingLR(o, EPOCHS * STEPS),
    "one-cycle": lambda o: schedules.OneCycleLR(o, 0.01, total_steps=EPOCHS * STEPS),
    "plateau": lambda o: schedules.ReduceLROnPlateau(o, patience=0, factor=0.5, threshold=0.9),
    "multi-step": lambda o: schedules.MultiStepLR(o, [2, 7]),
    "warm-up": lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, 0.1, total_iters=5), schedules.CosineAnnealingLR(o, 7)], milestones=[5]
    ),
}


class Network(nn.Module):
    """With everything that has a state: batch statistics and two generators beside the weights."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.conv = nn.Conv2d(1, 4, 5, stride=3, rng=rng)
        self.norm = nn.BatchNorm2d(4)
        self.drop1 = nn.Dropout2d(0.2, rng=rng.spawn(1)[0])
        self.drop2 = nn.Dropout(0.3, rng=np.random.Generator(np.random.MT19937(seed)))
        self.fc = nn.Linear(4 * 8 * 8, 10, rng=rng)

    def forward(self, x):
        x = self.drop1(relu(self.norm(self.conv(x)))).flatten(1)
        return self.fc(self.drop2(x))


def build(schedule="cosine", optimizer="adam", seed=7):
    dataset = tiny_digits(60, 20)
    model = Network(seed)
    change = OPTIMIZERS[optimizer](model.parameters())
    loader = Loader(
        dataset.train_images,
        dataset.train_labels,
        16,
        shuffle=True,
        rng=seed,
        transform=Compose([RandomShift(2), PLAIN]),
        prefetch=1,
    )
    return Trainer(model, change, loader, schedule=SCHEDULES[schedule](change), clip_norm=1.0), dataset


class Enough(Exception):
    pass


def fit(trainer, dataset, checks=None):
    """Train to the end, or until so many checks have been passed; return whether it came to the end."""
    left = [checks]

    def check():
        if left[0] is not None:
            if left[0] == 0:
                raise Enough
            left[0] -= 1

    try:
        for _ in trainer.fit(dataset, EPOCHS, test_transform=PLAIN, check=check):
            pass
    except Enough:
        return False
    return True


def final(trainer):
    """All of a trainer's state but the time it took, comparable."""

    def plain(value):
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items() if k not in ("seconds", "images_per_second")}
        return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value

    return plain(trainer.state_dict())


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stopped_again_and_again_it_comes_to_the_same_bits(tmp_path, optimizer, schedule):
    whole, dataset = build(schedule, optimizer)
    assert fit(whole, dataset)
    parts, _ = build(schedule, optimizer)
    rng, stops = np.random.default_rng([len(optimizer), len(schedule)]), 0
    while not fit(parts, dataset, int(rng.integers(0, 9))):
        write_checkpoint(tmp_path / "c", parts.state_dict())
        parts, _ = build(schedule, optimizer, seed=stops)  # other weights, another order: all comes from the state
        parts.load_state_dict(read_checkpoint(tmp_path / "c"))
        stops += 1
    assert stops >= 2
    assert final(parts) == final(whole)


def test_it_can_stop_at_every_step_and_in_every_test(tmp_path):
    whole, dataset = build()
    fit(whole, dataset)
    checks = 0
    while True:
        parts, _ = build()
        done = fit(parts, dataset, checks)
        write_checkpoint(tmp_path / "c", parts.state_dict())
        again, _ = build(seed=99)
        again.load_state_dict(read_checkpoint(tmp_path / "c"))
        assert fit(again, dataset)
        assert final(again) == final(whole)
        if done:
            break
        checks += 1
    assert checks >= EPOCHS * (STEPS + 1)


def test_the_same_trainer_goes_on_where_it_stopped():
    whole, dataset = build()
    fit(whole, dataset)
    parts, _ = build()
    while not fit(parts, dataset, 2):
        pass
    assert final(parts) == final(whole)


@pytest.mark.parametrize("part", ["model", "optimizer", "schedule", "loader", "generators", "history", "sums"])
def test_no_part_of_the_state_is_idle(tmp_path, part):
    """With any part replaced by that of a new trainer, something in the end is not the same."""
    whole, dataset = build()
    fit(whole, dataset)
    parts, _ = build()
    fit(parts, dataset, STEPS + 4)
    state = parts.state_dict()
    state[part] = build(seed=8)[0].state_dict()[part]
    again, _ = build(seed=99)
    again.load_state_dict(state)
    fit(again, dataset)
    assert final(again) != final(whole)


def test_a_state_of_another_trainer_is_refused():
    trainer, _ = build()
    for part, value in (("schedule", None), ("generators", {}), ("history", [{}]), ("sums", {}), ("model", {})):
        with pytest.raises((KeyError, TypeError, ValueError)):
            build()[0].load_state_dict(trainer.state_dict() | {part: value})


def test_the_state_is_plain_values_and_arrays():
    def arrays_out(value):
        if isinstance(value, dict):
            return {str(k): arrays_out(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [arrays_out(v) for v in value]
        return None if isinstance(value, np.ndarray) else value

    for schedule in SCHEDULES:
        trainer, dataset = build(schedule)
        fit(trainer, dataset, 6)
        json.dumps(arrays_out(trainer.state_dict()))
