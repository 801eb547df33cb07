import csv
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from sevenloops.autograd import Tensor
from sevenloops.data import Dataset
from sevenloops.errors import ShapeError
from sevenloops.serialization import load
from sevenloops.train import EpochRecord, Progress, RunFolder, Stopped, TrainConfig, TrainingRun, evaluate
from tests.helpers.tiny_sets import tiny_digits

TINY = TrainConfig(epochs=2, batch_size=16, seed=3)


def run_in(path, config=TINY, dataset=None):
    path.mkdir()
    run = TrainingRun(config, dataset or tiny_digits())
    return run, run.run(RunFolder(path), quiet=True)


# --- a run -------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits_and_another_one_others(tmp_path):
    for name, config in (("a", TINY), ("b", TINY), ("c", replace(TINY, seed=4))):
        run_in(tmp_path / name, config)
    first, same, other = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "abc")
    assert first == same
    assert first != other


def test_a_run_leaves_weights_history_and_configuration_that_agree(tmp_path):
    run, outcome = run_in(tmp_path / "run")
    assert sorted(os.listdir(tmp_path / "run")) == [
        "checkpoint.safetensors",
        "config.json",
        "history.csv",
        "weights.safetensors",
    ]
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        rows = [EpochRecord(**{k: float(v) for k, v in row.items()}) for row in csv.DictReader(file)]
    assert rows == run.history
    assert [row.epoch for row in rows] == [1, 2]
    assert (rows[-1].test_loss, rows[-1].test_accuracy) == (outcome.loss, outcome.accuracy)
    for name, value in load(tmp_path / "run" / "weights.safetensors").items():
        np.testing.assert_array_equal(value, run.model.state_dict()[name])
    folder = RunFolder(tmp_path / "run")
    description = folder.read_config()
    assert description.config == TINY
    test = tiny_digits()
    again = evaluate(folder.read_model(description), test.test_images, test.test_labels, description.normalize)
    np.testing.assert_array_equal(again.logits, outcome.logits)


def test_every_training_image_once_an_epoch_in_a_new_order_and_never_a_test_image(tmp_path):
    dataset = tiny_digits(37, 12)
    run = TrainingRun(replace(TINY, shift=0, epochs=3), dataset)
    trained, tested, sizes = [], [], []
    forward = run.model.forward

    def watched(x):
        images = np.asarray(x)
        (trained if run.model.training else tested).extend(image.tobytes() for image in images)
        if run.model.training:
            sizes.append(len(images))
        return forward(x)

    run.model.forward = watched
    tmp_path.joinpath("run").mkdir()
    run.run(RunFolder(tmp_path / "run"), quiet=True)
    train_keys = [image.tobytes() for image in run.normalize(dataset.train_images)]
    test_keys = [image.tobytes() for image in run.normalize(dataset.test_images)]
    epochs = [trained[start : start + 37] for start in (0, 37, 74)]
    assert sizes == [16, 16, 5] * 3
    assert tested == test_keys * 3
    assert not set(trained) & set(test_keys)
    for epoch in epochs:
        assert sorted(epoch) == sorted(train_keys)
        assert epoch != train_keys
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_the_test_images_have_no_influence_on_the_weights(tmp_path):
    dataset = tiny_digits()
    other = replace(dataset, test_images=255 - dataset.test_images, test_labels=9 - dataset.test_labels)
    run_in(tmp_path / "a", dataset=dataset)
    run_in(tmp_path / "b", dataset=other)
    first, second = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "ab")
    assert first == second


def test_training_images_are_shifted_and_test_images_are_not(tmp_path):
    dataset = tiny_digits(20, 10)
    run = TrainingRun(replace(TINY, shift=2, epochs=1), dataset)
    shifts, forward = set(), run.model.forward
    pixels = run.normalize(dataset.train_images)
    padded = np.full((20, 1, 32, 32), pixels.min(), np.float32)
    padded[:, :, 2:30, 2:30] = pixels

    def watched(x):
        if run.model.training:
            for image in np.asarray(x):
                places = [
                    (i, dy - 2, dx - 2)
                    for i in range(20)
                    for dy in range(5)
                    for dx in range(5)
                    if np.array_equal(padded[i, :, dy : dy + 28, dx : dx + 28], image)
                ]
                assert places
                shifts.add(places[0][1:])
        else:
            np.testing.assert_array_equal(x, run.normalize(dataset.test_images))
        return forward(x)

    run.model.forward = watched
    tmp_path.joinpath("run").mkdir()
    run.run(RunFolder(tmp_path / "run"), quiet=True)
    assert len(shifts) > 5
    assert {abs(s) for pair in shifts for s in pair} == {0, 1, 2}


def test_the_learning_rate_falls_to_nothing_over_all_steps(tmp_path):
    run = TrainingRun(replace(TINY, lr=0.25), tiny_digits(37, 5))
    rates, step = [], run.trainer.optimizer.step
    run.trainer.optimizer.step = lambda: rates.append(run.trainer.optimizer.param_groups[0]["lr"]) or step()
    tmp_path.joinpath("run").mkdir()
    run.run(RunFolder(tmp_path / "run"), quiet=True)
    np.testing.assert_allclose(rates, [0.125 * (1 + np.cos(np.pi * t / 6)) for t in range(6)])
    assert run.trainer.optimizer.param_groups[0]["lr"] == 0


@pytest.mark.parametrize(("flip", "seen"), [(False, {False}), (True, {False, True})])
def test_training_images_are_flipped_if_that_is_asked_for(tmp_path, flip, seen):
    dataset = tiny_digits(20, 10)
    run = TrainingRun(replace(TINY, shift=0, flip=flip), dataset)
    pixels, found, forward = run.normalize(dataset.train_images), set(), run.model.forward

    def watched(x):
        if run.model.training:
            for image in np.asarray(x):
                straight = (pixels == image).all(axis=(1, 2, 3)).any()
                assert straight or (pixels[..., ::-1] == image).all(axis=(1, 2, 3)).any()
                found.add(not straight)
        return forward(x)

    run.model.forward = watched
    tmp_path.joinpath("run").mkdir()
    run.run(RunFolder(tmp_path / "run"), quiet=True)
    assert found == seen


def test_dropout_label_smoothing_and_clipping_reach_what_they_are_for():
    run = TrainingRun(replace(TINY, dropout=0.25, label_smoothing=0.5, clip_norm=2.0), tiny_digits())
    assert (run.model.dropout.p, run.trainer.clip_norm) == (0.25, 2.0)
    certain = Tensor(np.array([[50.0, 0.0]]))
    assert run.trainer.loss(certain, np.array([0])).item() == pytest.approx(0.25 * 50)


def test_a_few_images_are_learnt(tmp_path):
    run, _ = run_in(tmp_path / "run", TrainConfig(epochs=12, batch_size=16, shift=0), tiny_digits(64, 5))
    assert run.history[0].train_accuracy < 0.5
    assert run.history[-1].train_accuracy > 0.95
    assert run.history[-1].train_loss < run.history[0].train_loss / 4


def test_the_bar_begins_where_the_run_goes_on(tmp_path, monkeypatch):
    begun = []

    class Watched(Progress):
        def __init__(self, epochs, images, *, done=0, quiet=False):
            begun.append((epochs, images, done))
            super().__init__(epochs, images, done=done, quiet=quiet)

        def step(self, *arguments):
            super().step(*arguments)
            if len(begun) == 1 and arguments[0] == 2:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("sevenloops.train.training.Progress", Watched)
    run, folder = TrainingRun(TINY, tiny_digits()), RunFolder(tmp_path)
    with pytest.raises(Stopped):
        run.run(folder, quiet=True)
    again = TrainingRun(TINY, tiny_digits())
    again.restore(folder)
    again.run(folder, quiet=True)
    assert begun == [(2, 60, 0), (2, 60, 76)]


# --- what cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_training_before_any_weights_are_written(tmp_path, bad):
    run = TrainingRun(TINY, tiny_digits())
    run.model.fc2.bias.data[0] = bad
    with pytest.raises(FloatingPointError, match=r"at step 1 of epoch 1: it arose in fc2 \(Linear\)"):
        run.run(RunFolder(tmp_path), quiet=True)
    assert os.listdir(tmp_path) == ["config.json"]
    assert (run.history, run.saved_epochs) == ([], 0)


def test_weights_that_the_last_step_ruined_are_noticed(tmp_path):
    run = TrainingRun(replace(TINY, epochs=1, batch_size=60), tiny_digits())
    step = run.trainer.optimizer.step

    def ruin():
        step()
        run.model.conv3.bias.data[0] = np.nan

    run.trainer.optimizer.step = ruin
    message = r"on the test images after epoch 1: it arose in conv3 \(Conv2d\), its bias had been ruined"
    with pytest.raises(FloatingPointError, match=message):
        run.run(RunFolder(tmp_path), quiet=True)
    assert os.listdir(tmp_path) == ["config.json"]


def test_a_failure_keeps_the_epochs_before_it(tmp_path):
    run = TrainingRun(TINY, tiny_digits())
    folder = RunFolder(tmp_path)
    write = folder.write_weights

    def write_and_ruin(model):
        write(model)
        model.fc2.bias.data[0] = np.nan  # after the checkpoint

    folder.write_weights = write_and_ruin
    with pytest.raises(FloatingPointError, match="at step 1 of epoch 2"):
        run.run(folder, quiet=True)
    assert ([row.epoch for row in run.history], run.saved_epochs) == ([1], 1)
    assert all(np.isfinite(value).all() for value in load(tmp_path / "weights.safetensors").values())
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    assert folder.read_config().config == TINY


@pytest.mark.parametrize("shift", [28, 1000])
def test_a_shift_out_of_the_picture_is_refused(shift):
    with pytest.raises(ShapeError, match=f"shift must be less than .* 28×28, but got {shift}"):
        TrainingRun(replace(TINY, shift=shift), tiny_digits())


def test_images_that_the_model_cannot_take_are_refused_before_anything_is_written():
    small = np.zeros((4, 1, 20, 20), np.uint8)
    labels = np.array([0, 1, 0, 1])
    with pytest.raises(ShapeError, match=r"28×28 or 32×32, .* 20, 20"):
        TrainingRun(TINY, Dataset("small", small, labels, small, labels, ("a", "b")))


def test_a_set_without_test_images_is_refused():
    dataset = tiny_digits()
    with pytest.raises(ShapeError, match="at least one image"):
        TrainingRun(TINY, replace(dataset, test_images=dataset.test_images[:0], test_labels=dataset.test_labels[:0]))
