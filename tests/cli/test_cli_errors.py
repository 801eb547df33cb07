"""What the command refuses, and what it does where something is missing or somebody interrupts it."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sevenloops import cli
from sevenloops.data import Dataset, digits
from sevenloops.train import Progress
from tests.helpers.commands import FILES, LAST_LINE, QUICK, block, colour_folder, everything, write_images
from tests.helpers.tiny_sets import tiny_digits, write_cifar_folder, write_idx_folder


def assert_refused(result, phrase, command="train"):
    """One sentence on stderr, exit code 2, no accuracy."""
    code, out, err = result
    assert code == 2
    assert "accuracy" not in out
    assert err.startswith(f"sevenloops {command}: ")
    assert err.count("\n") == 1
    assert err.endswith(".\n")
    assert ". " not in err
    assert phrase in err


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("--data", "minst"), "one of digits, mnist, fashion-mnist, cifar10 or a folder"),
        (("--data", "mnist"), "none of them exists"),
        (("--data", "tiny/t10k-labels-idx1-ubyte"), "a folder that exists"),
        (("--data", "empty"), "idx files"),
        (("--data", "small"), "28×28 or 32×32"),
        (("--data", "tiny", "--image-size", "32"), "folders of images only"),
        (("--data", "tiny", "--epochs", "0"), "epochs must be at least 1"),
        (("--data", "tiny", "--batch-size", "-3"), "batch_size must be at least 1"),
        (("--data", "tiny", "--shift", "28"), "shift must be less than"),
        (("--data", "tiny", "--seed", "-1"), "seed must be at least 0"),
        (("--data", "tiny", "--lr", "0"), "lr must be greater than 0"),
        (("--data", "tiny", "--lr", "nan"), "lr must be at least 0 and finite"),
        (("--data", "tiny", "--momentum", "1"), "momentum must be"),
        (("--data", "tiny", "--weight-decay", "-1"), "weight_decay must be"),
        (("--data", "tiny", "--lr", "1e9", "--activation", "relu", "--optimizer", "sgd"), "smaller learning rate"),
        (("--data", "tiny", "--out", "full"), "full exists"),
        (("--data", "tiny", "--out", "full/notes.txt"), "full/notes.txt exists"),
        (("--data", "tiny", "--out", "full/notes.txt/run"), "full/notes.txt"),
        (("--data", "broken"), "broken"),
    ],
)
def test_what_training_refuses_leaves_nothing(call, here, arguments, phrase):
    small = np.zeros((4, 1, 20, 20), np.uint8)
    labels = np.array([0, 1, 0, 1])
    write_idx_folder(here / "small", Dataset("small", small, labels, small, labels, ("0", "1")))
    write_idx_folder(here / "broken", tiny_digits())
    (here / "broken" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x3c\0\0")
    (here / "empty").mkdir()
    (here / "full").mkdir()
    (here / "full" / "notes.txt").write_text("mine")
    before = everything(here)
    assert_refused(call("train", *QUICK, *arguments), phrase)
    assert everything(here) == before
    assert (here / "full" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (("evaluate", "nowhere"), "nowhere has none"),
        (("evaluate", "tiny"), "tiny has none"),
        (("evaluate", "RUN", "--data", "minst"), "check the spelling"),
        (("evaluate", "RUN", "--data", "cifar"), "must be of 1×28×28 as those that the run was trained on"),
        (("evaluate", "RUN", "--data", "two"), "trained on, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, but got 0, 1."),
        (("predict", "nowhere", "x/0.png"), "nowhere has none"),
        (("predict", "RUN", "nowhere.png"), "nowhere.png: No such file"),
        (("predict", "RUN", "x"), "x: Is a directory"),
        (("predict", "RUN", "tiny/t10k-labels-idx1-ubyte"), "must be an image that Pillow can read"),
        (("predict", "RUN", "x/0.png", "--top", "0"), "--top must be at least 1"),
        (("predict", "RUN", "x/0.png", "--top", "-1"), "--top must be at least 1"),
    ],
)
def test_what_evaluate_and_predict_refuse(call, trained, here, arguments, phrase):
    write_images(here / "x", digits().test_images[:1])
    write_cifar_folder(here / "cifar", 10, 10)
    dataset = tiny_digits()
    write_idx_folder(
        here / "two", replace(dataset, train_labels=dataset.train_labels % 2, test_labels=np.arange(20) % 2)
    )
    before = everything(here)
    run = str(trained[0])
    assert_refused(call(*(run if part == "RUN" else part for part in arguments)), phrase, arguments[0])
    assert everything(here) == before


@pytest.mark.parametrize("damage", ["config", "choice", "truncated", "absent"])
def test_a_damaged_run(call, trained, here, damage):
    shutil.copytree(trained[0], here / "run")
    config, weights = here / "run" / "config.json", here / "run" / "weights.safetensors"
    match damage:
        case "config":
            config.write_bytes(config.read_bytes()[:200])
        case "choice":
            config.write_text(config.read_text().replace('"avg"', '"median"'))
        case "truncated":
            weights.write_bytes(weights.read_bytes()[:5000])
        case "absent":
            weights.unlink()
    write_images(here / "x", digits().test_images[:1])
    named = {"config": "config.json", "choice": "median", "absent": "no epoch has ended there"}
    phrase = named.get(damage, "weights.safetensors")
    assert_refused(call("evaluate", "run"), phrase, "evaluate")
    assert_refused(call("predict", "run", "x/0.png"), phrase, "predict")


def test_a_folder_that_cannot_be_written(call, here, monkeypatch):
    before = everything(here)

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert_refused(call("train", "--data", "tiny", *QUICK), "runs: Permission denied")
    assert everything(here) == before


def test_a_disk_that_is_full(call, here, monkeypatch):
    before = everything(here)

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert_refused(call("train", "--data", "tiny", *QUICK, "--quiet"), "config.json: No space left on device")
    assert everything(here) == before


def test_too_little_memory(call, here, monkeypatch):
    def refuse(*_, **__):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(cli.train, "open_dataset", refuse)
    assert_refused(call("train", "--data", "tiny"), "9 TiB")


# --- optional packages, interruptions ----------------------------------------------------------------------------


def test_without_matplotlib_there_are_no_pictures_and_it_is_said_once(call, monkeypatch):
    block(monkeypatch, "matplotlib")
    code, out, err = call("train", "--data", "tiny", *QUICK)
    assert code == 0
    assert sorted(os.listdir("runs/lenet5-tiny-1")) == [name for name in FILES if not name.endswith(".png")]
    assert err.count("No pictures") == err.count("matplotlib") == 1
    assert err.count("\n") == 2
    assert LAST_LINE.fullmatch(out.splitlines()[-1])


def test_without_any_extra_training_works_and_pictures_cannot_be_read(call, monkeypatch, trained, here):
    paths = write_images(here / "x", digits().test_images[:1])
    colour_folder(here / "colours")
    block(monkeypatch, "matplotlib", "PIL", "tqdm")
    code, out, err = call("train", "--data", "tiny", *QUICK)
    assert code == 0
    assert LAST_LINE.fullmatch(out.splitlines()[-1])
    assert err.count("sevenloops[train]") == 1
    for arguments in (("predict", trained[0], *paths), ("train", "--data", "colours")):
        code, _, err = call(*arguments)
        assert code == 2
        assert re.fullmatch(r"sevenloops \w+: Reading image files needs pillow, .*sevenloops\[train\]'\n", err)
    assert os.listdir("runs") == ["lenet5-tiny-1"]


@pytest.mark.parametrize("epochs", [0, 1])
def test_an_interruption_within_a_step_keeps_whole_epochs(plain, here, monkeypatch, epochs):
    """As the second Ctrl-C does: what is half done is not saved."""
    steps, step = [], Progress.step

    def interrupt(self, *arguments):
        step(self, *arguments)
        steps.append(arguments)
        if len(steps) == 4 * epochs + 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "step", interrupt)
        code, out, err = plain("train", "--data", "tiny", "--epochs", 3, "--batch-size", 16)
    assert code == 130
    last = err.splitlines()[-2:]
    assert last[0].endswith("train --resume runs/lenet5-tiny-1")
    assert last[1] == "sevenloops train: stopped by Ctrl-C."
    assert ("runs/lenet5-tiny-1 has the weights of epoch 1.\n" in err) == bool(epochs)
    assert "accuracy" not in out
    assert plain("evaluate", "runs/lenet5-tiny-1")[0] == (0 if epochs else 2)
    assert plain("train", "--resume", "runs/lenet5-tiny-1")[0] == 0
    assert plain("train", "--data", "tiny", "--epochs", 3, "--batch-size", 16)[0] == 0
    first, second = (Path(f"runs/lenet5-tiny-{n}/weights.safetensors").read_bytes() for n in (1, 2))
    assert first == second


def test_names_that_the_terminal_cannot_show(plain, here, trained):
    run, _ = trained
    strange = here / "Käse-数.png"
    write_images(here / "x", digits().test_images[:1])[0].rename(strange)
    assert plain("predict", run, strange)[0] == 0
