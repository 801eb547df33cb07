import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from sevenloops import cli
from sevenloops.conv import registry
from sevenloops.data import Dataset, digits
from sevenloops.train import RunFolder, TrainConfig, TrainingRun
from tests.helpers.tiny_sets import tiny_digits, write_cifar_folder, write_idx_folder

FILES = ["config.json", "curves.png", "history.csv", "mistakes.png", "weights.safetensors"]
LAST_LINE = re.compile(r"test accuracy: (\d{1,2}\.\d\d|100\.00) %")
QUICK = ("--epochs", "1", "--batch-size", "16")


def block(monkeypatch, *packages):
    """Make packages look as if they were not installed."""
    loaded = [name for name in sys.modules if name.partition(".")[0] in packages]
    for name in (*loaded, *packages):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def call(capsys):
    """Run the command; returns exit code, stdout and stderr."""

    def run(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse
            code = error.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def plain(call, monkeypatch):
    """The same where no pictures can be drawn, which takes most of the time."""

    def run(*arguments):
        block(monkeypatch, "matplotlib")
        return call(*arguments)

    return run


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Each test runs in a new folder that holds the set "tiny"."""
    monkeypatch.delenv("SEVENLOOPS_DATA", raising=False)
    monkeypatch.setenv("SEVENLOOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_idx_folder(tmp_path / "tiny", tiny_digits())
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a finished run on 300 of the digits, and its test images; right often, but not always."""
    folder = RunFolder(tmp_path_factory.mktemp("trained") / "run")
    folder.path.mkdir()
    dataset = tiny_digits(300, 60)
    TrainingRun(TrainConfig(epochs=4, batch_size=16, data="digits"), dataset).run(folder, quiet=True)
    return folder.path, dataset


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def write_images(folder, images):
    """Write images (N, C, H, W) as 0.png, 1.png, …; return their paths."""
    image = pytest.importorskip("PIL.Image")
    folder.mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for path, pixels in zip(paths, images):
        image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)).save(path)
    return paths


# --- train, evaluate, predict ------------------------------------------------------------------------------------


def test_training_leaves_a_folder_and_says_where_and_what_next(call, here, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(sys, "argv", ["/elsewhere/bin/sevenloops"])
    code, out, err = call("train", "--data", "tiny", *QUICK)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "LeNet-5 with 61,706 parameters"
    assert lines[1].startswith("Dataset 'tiny': 60 training and 20 test images")
    assert lines[2:4] == [f"In {Path('runs/lenet5-tiny-1')}:", f"    {', '.join(FILES)}"]
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


def colour_folder(folder, side=20, count=10):
    """Write pictures that are red or blue, of the given side."""
    images = np.random.default_rng(0).integers(0, 100, (2 * count, 3, side, side), np.uint8)
    images[:count, 0] += 150
    images[count:, 2] += 150
    write_images(folder / "red", images[:count])
    write_images(folder / "blue", images[count:])
    return folder


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
    "momentum": 0.5,
    "weight_decay": 0.01,
    "shift": 1,
    "activation": "relu",
    "pool": "max",
    "algorithm": "im2col",
    "seed": 7,
}


def test_every_option_reaches_the_configuration(plain):
    code, _, _ = plain(
        "train", "--data", "tiny", "--out", "out", *(f"--{k.replace('_', '-')}={v}" for k, v in OTHERS.items())
    )
    config = json.loads(Path("out/config.json").read_text())["config"]
    assert code == 0
    assert config == {"model": "lenet5", "data": "tiny", "image_size": None} | OTHERS
    usual = TrainConfig().to_json()
    assert all(usual[name] != value for name, value in OTHERS.items())


def test_without_options_everything_is_as_in_the_library():
    options = vars(cli._parser().parse_args(["train"]))
    assert TrainConfig(**{field.name: options[field.name] for field in fields(TrainConfig)}) == TrainConfig()


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


@pytest.mark.parametrize("command", [(), ("train",), ("evaluate",), ("predict",)])
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
        assert cli._command() == command.replace("/", os.sep)


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


# --- what cannot be ----------------------------------------------------------------------------------------------


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
        (("evaluate", "RUN", "--data", "cifar"), "as those that the run was trained on, 1×28×28"),
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
    named = {"config": "config.json", "choice": "median", "absent": "may not have ended"}
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
    assert_refused(call("train", "--data", "tiny", *QUICK, "--quiet"), "No space left on device")
    assert everything(here) == before


def test_too_little_memory(call, here, monkeypatch):
    def refuse(*_, **__):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(cli, "open_dataset", refuse)
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
def test_ctrl_c_keeps_whole_epochs_and_nothing_else(plain, here, monkeypatch, epochs):
    before = everything(here)
    steps, step = [], cli.TrainingRun.__init__.__globals__["Progress"].step

    def interrupt(self, *arguments):
        step(self, *arguments)
        steps.append(arguments)
        if len(steps) == 4 * epochs + 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("sevenloops.train.progress.Progress.step", interrupt)
    code, out, err = plain("train", "--data", "tiny", "--epochs", 3, "--batch-size", 16)
    assert code == 130
    assert err.endswith("sevenloops train: stopped by Ctrl-C.\n")
    if epochs:
        assert "runs/lenet5-tiny-1 has the weights of epoch 1.\n" in err
        assert plain("evaluate", "runs/lenet5-tiny-1")[0] == 0
    else:
        assert everything(here) == before
    assert "accuracy" not in out


def test_names_that_the_terminal_cannot_show(plain, here, trained):
    run, _ = trained
    strange = here / "Käse-数.png"
    write_images(here / "x", digits().test_images[:1])[0].rename(strange)
    assert plain("predict", run, strange)[0] == 0
