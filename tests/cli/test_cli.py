import json
import os
import re
import shlex
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from sevenloops import cli
from sevenloops.conv import registry
from sevenloops.data import digits
from sevenloops.train import TrainConfig
from tests.helpers.commands import FILES, LAST_LINE, QUICK, colour_folder, everything, write_images
from tests.helpers.tiny_sets import tiny_digits, write_cifar_folder, write_idx_folder

# --- train, evaluate, predict ------------------------------------------------------------------------------------


def test_training_leaves_a_folder_and_says_where_and_what_next(call, here, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(sys, "argv", ["/elsewhere/bin/sevenloops"])
    code, out, err = call("train", "--data", "tiny", *QUICK)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "LeNet-5 with 61,706 parameters"
    assert lines[1].startswith("Dataset 'tiny': 60 training and 20 test images")
    assert lines[2] == f"In {Path('runs/lenet5-tiny-1')}:"
    assert " ".join(line.strip() for line in lines[3:5]) == ", ".join(FILES)
    assert max(map(len, lines)) <= 80
    assert LAST_LINE.fullmatch(lines[-1])
    assert out.endswith(" %\n")
    assert sorted(os.listdir("runs/lenet5-tiny-1")) == FILES
    assert re.fullmatch(r"epoch 1: loss .* %; test .* %; [\d,]+ images/s\n", err)
    evaluation, prediction, training = [line.split("sevenloops ")[1] for line in lines[-4:-1]]
    assert call(*shlex.split(evaluation))[1].splitlines()[-1] == lines[-1]
    write_images(here / "x", digits().test_images[:1])
    assert call(*shlex.split(prediction.replace("IMAGE.png", "x/0.png")))[0] == 0
    assert call(*shlex.split(training), *QUICK)[0] == 0
    assert sorted(os.listdir("runs")) == ["lenet5-tiny-1", "lenet5-tiny-2"]


def test_evaluate_repeats_exactly_what_training_printed(plain):
    _, out, _ = plain("train", "--data", "tiny", *QUICK, "--out", "a b")
    assert plain("evaluate", "a b")[1].splitlines()[-1] == out.splitlines()[-1]
    assert "evaluate 'a b'" in out


def test_evaluate_counts_class_by_class(plain, trained):
    run, dataset = trained
    write_idx_folder(Path("test"), dataset)
    code, out, err = plain("evaluate", run, "--data", "test")
    rows = re.findall(r"^ +(\d): +([\d.]+) % of (\d+)$", out, re.MULTILINE)
    counts = np.bincount(dataset.test_labels, minlength=10)
    assert [(int(name), int(count)) for name, _, count in rows] == [(i, n) for i, n in enumerate(counts) if n]
    right = sum(round(float(share) / 100 * int(count)) for _, share, count in rows)
    assert out.splitlines()[-1] == f"test accuracy: {100 * right / 60:.2f} %"
    assert (code, err) == (0, "")
    assert 30 < right < 60


def answers_of(out):
    return [re.search(r"/\d+\.png: (.+?) \(", line)[1] for line in out.splitlines()]


def test_predictions_of_the_test_images_as_files_are_the_evaluation(call, trained, here):
    run, dataset = trained
    paths = write_images(here / "x", dataset.test_images)
    code, out, err = call("predict", run, *paths)
    right = np.mean(np.array(answers_of(out)) == dataset.test_labels.astype(str))
    write_idx_folder(here / "test", dataset)
    assert call("evaluate", run, "--data", "test")[1].splitlines()[-1] == f"test accuracy: {100 * right:.2f} %"
    assert (code, err) == (0, "")


def test_inverted_pictures_are_inverted_back(call, trained, here):
    run, dataset = trained
    images = dataset.test_images[:8]
    direct = call("predict", run, *write_images(here / "x", images))[1]
    inverted = write_images(here / "y", 255 - images)
    assert call("predict", run, "--invert", *inverted)[1] == direct.replace("/x/", "/y/")
    assert call("predict", run, *inverted)[1] != direct.replace("/x/", "/y/")


def test_pictures_of_another_size_and_in_colour(call, trained, here):
    run, dataset = trained
    large = np.kron(dataset.test_images[:5], np.ones((1, 1, 4, 4), np.uint8))
    direct = call("predict", run, *write_images(here / "x", dataset.test_images[:5]))[1]
    colour = call("predict", run, *write_images(here / "y", np.repeat(large, 3, axis=1)))[1]
    assert answers_of(colour) == answers_of(direct)


@pytest.mark.parametrize(("top", "shown"), [(1, 1), (4, 4), (99, 10)])
def test_the_most_probable_classes_come_first(call, trained, here, top, shown):
    run, dataset = trained
    _, out, _ = call("predict", run, *write_images(here / "x", dataset.test_images[:3]), "--top", top)
    for line in out.splitlines():
        shares = [float(share) for share in re.findall(r"\(([\d.]+) %\)", line)]
        assert len(shares) == shown
        assert shares == sorted(shares, reverse=True)
        assert shown < 10 or sum(shares) == pytest.approx(100, abs=0.5)


# --- data sets ---------------------------------------------------------------------------------------------------


def test_fashion_mnist_and_cifar10(plain, here):
    write_idx_folder(here / "data" / "fashion-mnist", tiny_digits())
    write_cifar_folder(here / "data" / "cifar10", 40, 20)
    for name, size in (("fashion-mnist", "1×28×28"), ("cifar10", "3×32×32")):
        code, out, _ = plain("train", "--data", name, *QUICK)
        assert code == 0
        assert f"images of {size}" in out
        assert LAST_LINE.fullmatch(out.splitlines()[-1])
        assert plain("evaluate", f"runs/lenet5-{name}-1")[1].splitlines()[-1] == out.splitlines()[-1]


def test_a_folder_of_pictures(call, here):
    pytest.importorskip("matplotlib")
    colour_folder(here / "colours")
    code, out, _ = call("train", "--data", "colours", "--image-size", 32, "--epochs", 6, "--batch-size", 4)
    assert code == 0
    assert "16 training and 4 test images of 3×32×32, 2 classes" in out
    assert out.splitlines()[-1] == "test accuracy: 100.00 %"
    run = "runs/lenet5-colours-1"
    assert sorted(os.listdir(run)) == FILES
    assert call("evaluate", run)[1].splitlines()[-1] == "test accuracy: 100.00 %"
    assert ": blue (" in call("predict", run, "colours/blue/0.png")[1]
    # Pictures of another size are brought to that of the run.
    assert call("evaluate", run, "--data", colour_folder(here / "more", 50))[1].splitlines()[-1].endswith("100.00 %")


# --- options -----------------------------------------------------------------------------------------------------

OTHERS = {
    "epochs": 2,
    "batch_size": 30,
    "optimizer": "sgd",
    "lr": 0.5,
    "schedule": "constant",
    "warmup": 1,
    "momentum": 0.5,
    "weight_decay": 0.01,
    "clip_norm": 3.0,
    "label_smoothing": 0.125,
    "dropout": 0.25,
    "shift": 1,
    "activation": "relu",
    "pool": "max",
    "algorithm": "im2col",
    "seed": 7,
}


def test_every_option_reaches_the_configuration(plain, here):
    code, _, _ = plain(
        "train", "--data", "tiny", "--out", "out", *(f"--{k.replace('_', '-')}={v}" for k, v in OTHERS.items())
    )
    config = json.loads(Path("out/config.json").read_text())["config"]
    assert code == 0
    assert config == {"model": "lenet5", "data": str(here / "tiny"), "image_size": None, "flip": False} | OTHERS
    assert {"model", "data", "image_size", "flip", *OTHERS} == {field.name for field in fields(TrainConfig)}
    usual = TrainConfig().to_json()
    assert all(usual[name] != value for name, value in OTHERS.items())


def test_without_options_everything_is_as_in_the_library(plain, here, monkeypatch):
    assert not {field.name for field in fields(TrainConfig)} & set(vars(cli._parser().parse_args(["train"])))
    monkeypatch.setenv("SEVENLOOPS_DATA", str(here))
    assert cli._parser().parse_args(["train", "--flip"]).flip is True
    assert plain("train", "--out", "run", "--quiet", "--epochs", "1", "--data", "tiny")[0] == 0
    written = json.loads(Path("run/config.json").read_text())["config"]
    assert written == TrainConfig(epochs=1, data=str(here / "tiny")).to_json()


@pytest.mark.parametrize("algorithm", registry.names())
def test_a_whole_network_on_one_rung(plain, here, algorithm):
    dataset = tiny_digits(2, 2)
    write_idx_folder(here / "two", dataset)
    code, out, err = plain("train", "--data", "two", "--algorithm", algorithm, "--epochs", 1, "--quiet")
    if code == 2:  # the rung cannot do 5×5 kernels, says why, and leaves nothing
        assert algorithm in err
        assert not Path("runs").exists()
    else:
        assert LAST_LINE.fullmatch(out.splitlines()[-1])


def test_quiet(plain):
    code, out, err = plain("train", "--data", "tiny", *QUICK, "--quiet")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("No pictures: ")
    assert LAST_LINE.fullmatch(out.splitlines()[-1])


@pytest.mark.parametrize("command", [(), ("train",), ("evaluate",), ("predict",), ("download",)])
def test_help_shows_an_example_that_can_be_typed(call, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "300")
    code, out, err = call(*command, "--help")
    (example,) = re.findall(r"^example: sevenloops (.+)$", out, re.MULTILINE)
    assert (code, err) == (0, "")
    assert cli._parser().parse_args(example.split()).command == (command or ("train",))[0]
    assert "None" not in out


def test_how_to_call_the_command_again(here, monkeypatch):
    (here / "bin").mkdir()
    (here / "link").symlink_to(here, target_is_directory=True)
    for script, command in (
        (here / "bin" / "sevenloops", "bin/sevenloops"),
        (here / "link" / "bin" / "sevenloops", "bin/sevenloops"),
        ("/elsewhere/bin/sevenloops", "sevenloops"),
        ("sevenloops", "sevenloops"),
        (cli.__file__, f"{Path(sys.executable).name} -m sevenloops.cli"),
    ):
        monkeypatch.setattr(sys, "argv", [str(script)])
        assert cli.train._command() == command.replace("/", os.sep)


def test_version(call):
    assert re.fullmatch(r"sevenloops \d+\.\d+\.\d+\S*\n", call("--version")[1])


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        ((), "COMMAND"),
        (("fly",), "invalid choice: 'fly'"),
        (("train", "--model", "vgg"), "lenet5"),
        (("train", "--algorithm", "magic"), "im2col"),
        (("train", "--epochs", "two"), "invalid int value: 'two'"),
        (("train", "--lr", "fast"), "invalid float value: 'fast'"),
        (("predict", "run"), "IMAGE"),
        (("evaluate",), "RUN"),
    ],
)
def test_what_argparse_refuses(call, here, arguments, phrase):
    before = everything(here)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert phrase in err.splitlines()[-1]
    assert everything(here) == before
