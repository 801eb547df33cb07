"""Runs that are interrupted: by signals, by kills at any moment, by disks that are full; and how they go on."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sevenloops.serialization import load, load_metadata
from sevenloops.train import RunFolder
from sevenloops.train.checkpoint import read_checkpoint, write_checkpoint
from tests.helpers.commands import everything
from tests.helpers.damage import attempt, is_one_sentence_about
from tests.helpers.tiny_sets import tiny_digits, write_idx_folder

COMMAND = [sys.executable, "-W", "error", "-m", "sevenloops.cli"]
#: Everything random, and everything that has a state.
SETTINGS = [
    *("--data", "tiny", "--batch-size", "16", "--seed", "5", "--epochs", "4"),
    *("--dropout", "0.25", "--flip", "--label-smoothing", "0.1", "--clip-norm", "2", "--warmup", "1"),
]
DIGEST = "sevenloops.sha256"
TRAIN = [*COMMAND, "train", *SETTINGS, "--out", "run"]
RESUME = [*COMMAND, "train", "--resume", "run"]

posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(scope="module", autouse=True)
def _without_matplotlib(tmp_path_factory):
    """The processes of these tests draw no pictures, which would take most of their time."""
    folder = tmp_path_factory.mktemp("blocked")
    (folder / "matplotlib.py").write_text("raise ImportError('not in these tests')\n")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def run(command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **kwargs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights, and the history without times, of a run that nothing has interrupted; and how long it took."""
    folder = tmp_path_factory.mktemp("whole")
    write_idx_folder(folder / "tiny", tiny_digits())
    start = time.perf_counter()
    result = run([*TRAIN, "--quiet"], cwd=folder)
    assert result.returncode == 0, result.stderr
    return results(folder), time.perf_counter() - start


def results(folder):
    """The bytes of the weights and of the last checkpoint's arrays, and the history but for the times."""
    state = load(folder / "run" / "checkpoint.safetensors")
    rows = [row.split(",")[:5] for row in (folder / "run" / "history.csv").read_text().splitlines()]
    weights = (folder / "run" / "weights.safetensors").read_bytes()
    return weights, rows, {name: (value.dtype.str, value.tobytes()) for name, value in state.items()}


def assert_same(folder, whole):
    for now, before in zip(results(folder), whole[0]):
        assert now == before


# --- kills -------------------------------------------------------------------------------------------------------


def kill_until_it_is_done(folder, seconds, rng):
    """Start the run, kill it at a random moment, resume it, kill that, …; return how often it was killed."""
    kills = 0
    while True:
        begun = (folder / "run" / "config.json").exists()
        process = subprocess.Popen(
            [*(RESUME if begun else TRAIN), "--quiet"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            err = process.communicate(timeout=rng.uniform(0.3, 1.0) * seconds if kills < 4 else None)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        else:
            assert process.returncode == 0, err
            return kills


@posix
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_it_comes_to_the_same_bits(here, whole, seed):
    kill_until_it_is_done(here, whole[1], random.Random(seed))
    assert_same(here, whole)
    assert run([*COMMAND, "evaluate", "run"]).returncode == 0


@posix
@pytest.mark.slow
def test_killed_at_a_hundred_random_moments_it_comes_to_the_same_bits(here, whole):
    rng, kills = random.Random(0), 0
    while kills < 100:
        shutil.rmtree(here / "run", ignore_errors=True)
        kills += kill_until_it_is_done(here, whole[1], rng)
        assert_same(here, whole)


#: Ends the process, as a kill does, right before or after the n-th time that something of a run's folder is changed.
DYING = """
import os, sys
moment, when = int(sys.argv.pop(1)), sys.argv.pop(1)
def dying(function):
    def call(*args, **kwargs):
        global moment
        moment -= 1
        if moment == 0 and when == "before":
            os._exit(99)
        try:
            return function(*args, **kwargs)
        finally:
            if moment == 0:
                os._exit(99)
    return call
from sevenloops.cli import main
import pathlib
os.replace, os.fsync, os.unlink = dying(os.replace), dying(os.fsync), dying(os.unlink)
pathlib.Path.mkdir = dying(pathlib.Path.mkdir)
sys.exit(main(sys.argv[1:]))
"""


@posix
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_change_of_its_folder_it_comes_to_the_same_bits(here, whole, when):
    arguments = [*SETTINGS[:-1], "1", "--epochs", "4", "--out", "run", "--quiet"]
    for moment in (1, 8, 9, 11, 12, 14, 15, 18, 21):  # a folder, six removals, then three steps for each file
        shutil.rmtree(here / "run", ignore_errors=True)
        result = run([sys.executable, "-c", DYING, str(moment), when, "train", *arguments])
        assert result.returncode == 99, (moment, result)
        begun = (here / "run" / "config.json").exists()
        result = run([*(RESUME if begun else [*COMMAND, "train", *arguments]), "--quiet"])
        assert result.returncode == 0, (moment, result.stderr)
        assert_same(here, whole)
        assert not [name for name in os.listdir("run") if name.endswith(".tmp")]


# --- signals -----------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(("signum", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(here, whole, signum, name):
    process = subprocess.Popen(TRAIN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().startswith("epoch 1: ")
    process.send_signal(signum)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    lines = err.splitlines()
    assert "Stopping after this step; once more stops at once." in lines
    assert re.fullmatch(r"run has the weights of epoch [1-4]\.", lines[-3])
    assert re.match(r"Go on( after step \d of epoch [2-4])?: ", lines[-2])
    assert lines[-1] == f"sevenloops train: stopped by {name}."
    assert "Traceback" not in err
    command = lines[-2].split(": ", 1)[1]
    assert shlex.split(command)[-3:] == ["train", "--resume", "run"]
    result = run(RESUME)
    assert result.returncode == 0
    assert "going on after epoch" in result.stdout
    assert_same(here, whole)


@posix
def test_ctrl_c_in_the_first_epoch_leaves_what_is_needed_to_go_on(here):
    write_idx_folder(here / "large", tiny_digits(2000, 20))
    command = [*COMMAND, "train", "--data", "large", "--batch-size", "8", "--epochs", "1", "--out", "run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (here / "run" / "config.json").exists():
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "has the weights" not in err
    assert sorted(os.listdir("run")) == ["checkpoint.safetensors", "config.json"]
    state = read_checkpoint(here / "run" / "checkpoint.safetensors")
    steps = state["trainer"]["sums"]["steps"]
    assert 0 < steps < 250
    assert f"Go on after step {steps} of epoch 1: " in err
    result = run([*COMMAND, "evaluate", "run"])
    assert result.returncode == 2
    assert "no epoch has ended there; go on by sevenloops train --resume run" in result.stderr
    assert run(RESUME).returncode == 0
    again = run([*command[:-1], "whole"])
    assert again.returncode == 0
    assert (here / "run/weights.safetensors").read_bytes() == (here / "whole/weights.safetensors").read_bytes()


@posix
def test_ctrl_c_after_the_last_step_is_obeyed(plain, here, whole, monkeypatch):
    real = RunFolder.write_history

    def write_and_signal(self, rows):
        records = list(rows)
        real(self, records)
        if len(records) == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_history", write_and_signal)
        code, out, err = plain("train", *SETTINGS, "--out", "run", "--quiet")
    assert (code, "accuracy" in out) == (130, False)
    assert err.startswith("run has the weights of epoch 4.\nGo on: ")
    assert plain("train", "--resume", "run", "--quiet")[0] == 0
    assert_same(here, whole)


@posix
def test_ctrl_c_while_the_pictures_are_drawn_says_how_to_get_them(plain, here, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sevenloops.cli.train.draw_curves", interrupt)
        code, _, err = plain("train", *SETTINGS, "--out", "run", "--quiet")
    assert code == 130
    assert re.fullmatch(
        r"run has the weights of epoch 4\.\nGo on: .* train --resume run\nsevenloops train: stopped by Ctrl-C\.\n",
        err,
    )
    assert plain("train", "--resume", "run", "--quiet")[0] == 0


# --- going on ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(plain, here, monkeypatch):
    """A run that stopped in its second epoch."""
    real = os.replace
    written = []

    def stop(source, target):
        real(source, target)
        written.append(Path(target).name)
        if written.count("history.csv") == 2:
            raise OSError(28, "No space left on device", "run")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        code, _, err = plain("train", *SETTINGS, "--out", "run", "--quiet")
    assert code == 2
    assert err.startswith("run has the weights of epoch 1.\nGo on: ")
    return here / "run"


def test_a_disk_that_was_full_goes_on(plain, stopped, here, whole):
    code, out, _ = plain("train", "--resume", "run", "--quiet")
    assert code == 0
    assert "going on after epoch 2 of 4" in out
    assert_same(here, whole)


def test_a_disk_that_is_full_again_takes_nothing_away(plain, here, whole, monkeypatch):
    """Before the first epoch has ended too, where a new run that fails leaves nothing."""

    def stop(*_):
        raise KeyboardInterrupt

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sevenloops.train.Progress.step", stop)
        assert plain("train", *SETTINGS, "--out", "run", "--quiet")[0] == 130
    before = everything(here)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        code, _, err = plain("train", "--resume", "run", "--quiet")
    assert (code, err.startswith("Go on: ")) == (2, True)
    assert err.endswith("sevenloops train: run/checkpoint.safetensors: No space left on device.\n")
    assert everything(here) == before
    assert plain("train", "--resume", "run", "--quiet")[0] == 0
    assert_same(here, whole)


def test_what_comes_after_the_last_checkpoint_is_made_up_for(plain, here, whole, monkeypatch):
    real = RunFolder.write_weights
    written = []

    def stop(self, model):
        written.append(self)
        if len(written) == 4:
            raise KeyboardInterrupt
        real(self, model)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_weights", stop)
        code, _, err = plain("train", *SETTINGS, "--out", "run", "--quiet")
    assert (code, err.startswith("run has the weights of epoch 3.\nGo on: ")) == (130, True)
    code, out, _ = plain("train", "--resume", "run", "--quiet")
    assert (code, "going on after epoch 4 of 4" in out) == (0, True)
    assert_same(here, whole)


def test_a_run_that_was_done_is_done_again_in_a_moment(plain, stopped, here, whole):
    plain("train", "--resume", "run", "--quiet")
    before = {path: path.read_bytes() for path in stopped.iterdir()}
    code, out, _ = plain("train", "--resume", "run", "--quiet")
    assert (code, out.splitlines()[2]) == (0, "going on after epoch 4 of 4")
    assert re.search(r"test accuracy: [\d.]+ %\n$", out)
    assert {path: path.read_bytes() for path in stopped.iterdir()} == before


def test_from_another_folder_and_with_data_that_moved(plain, stopped, here, whole, monkeypatch):
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    copy = shutil.copytree(stopped, here / "copy")
    assert plain("train", "--resume", "../run", "--quiet")[0] == 0
    assert_same(here, whole)
    (here / "tiny").rename(here / "moved")
    code, _, err = plain("train", "--resume", copy, "--quiet")
    assert (code, err.count("\n")) == (2, 1)
    assert plain("train", "--resume", copy, "--quiet", "--data", here / "moved")[0] == 0
    assert (copy / "weights.safetensors").read_bytes() == whole[0][0]
    config = copy / "config.json"  # or where they are now is written into it, once
    config.write_text(config.read_text().replace(str(here / "tiny"), str(here / "moved")))
    assert plain("train", "--resume", copy, "--quiet")[0] == 0


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_other_data_are_refused(plain, stopped, here, part):
    dataset = tiny_digits()
    array = getattr(dataset, part).copy()
    array.flat[7] = (array.flat[7] + 1) % 10
    write_idx_folder(here / "other", type(dataset)(**{**vars(dataset), part: array}))
    before = everything(here)
    code, _, err = plain("train", "--resume", "run", "--data", "other")
    assert (code, err.count("\n")) == (2, 1)
    assert "goes on with the images and labels that it began with" in err
    assert everything(here) == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--epochs", "9"], "--epochs"),
        (["--lr", "0.1", "--flip"], "--lr, --flip"),
        (["--out", "x"], "--out"),
        (["--force"], "--force"),
        (["--batch-size", "16"], "--batch-size"),
    ],
)
def test_other_settings_are_refused(plain, stopped, options, named):
    code, _, err = plain("train", "--resume", "run", *options)
    assert (code, err) == (
        2,
        f"sevenloops train: --resume goes on with the settings of the run, but got {named} too; leave it out.\n",
    )


def test_what_is_no_run_is_refused(plain, here):
    (here / "empty").mkdir()
    for name in ("empty", "nowhere", "tiny"):
        code, _, err = plain("train", "--resume", name)
        assert (code, err.count("\n")) == (2, 1)
        assert f"A run is a folder with config.json, but {name} has none" in err


def test_other_versions_are_said(plain, stopped, here):
    config = json.loads((stopped / "config.json").read_text())
    config["made_with"] |= {"numpy": "1.0", "threads": 99}
    (stopped / "config.json").write_text(json.dumps(config))
    shutil.copytree(stopped, here / "copy")
    _, _, err = plain("train", "--resume", "run")
    line = err.splitlines()[0]
    assert re.fullmatch(
        r"The run was begun otherwise \(numpy 1\.0, now [\d.]+; threads 99, now \d+\): "
        r"its weights may end in other bits\.",
        line,
    )
    assert plain("train", "--resume", "copy", "--quiet")[2].count("otherwise") == 0


# --- damage ------------------------------------------------------------------------------------------------------


def test_a_truncated_checkpoint_is_one_sentence(plain, stopped):
    path = stopped / "checkpoint.safetensors"
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        code, _, err = plain("train", "--resume", "run")
        assert (code, err.count("\n")) == (2, 1), err
        assert "checkpoint.safetensors" in err
        assert path.read_bytes() == whole[:length]


def test_whatever_damage_a_checkpoint_has_is_refused_or_read(stopped, here):
    """Thousands of changed bytes: the library's own error or a state, and nothing else; with a right digest too."""
    from sevenloops.data import open_dataset
    from sevenloops.train import TrainingRun

    path = stopped / "checkpoint.safetensors"
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    folder = RunFolder(stopped)
    training = TrainingRun(folder.read_config().config, open_dataset("tiny"))
    header = int.from_bytes(whole[:8], "little") + 8
    refused = {True: 0, False: 0}
    for number in range(800):
        damaged = bytearray(whole)
        for place in rng.integers(0, header, rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with pytest.MonkeyPatch.context() as patch:
            if believed := number % 2 == 0:  # as if the digest were right, whatever there is
                patch.setattr("sevenloops.train.checkpoint._digest", lambda *_: load_metadata(path)[DIGEST])
            _, error = attempt(lambda: folder.read_checkpoint(training.trainer, training.description))
        assert error is None or is_one_sentence_about(error, path)
        refused[believed] += error is not None
    assert refused[True] > 200
    assert refused[False] > 390  # of the rest, all is in blanks or in the length of a name


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", 6), ("epochs", 2), ("epochs", 9), ("batch_size", 20), ("optimizer", "adamw"), ("flip", False)],
)
def test_a_checkpoint_of_other_settings_is_refused(plain, stopped, here, name, value):
    """Be it that config.json was edited by hand, or that the checkpoint is another run's."""
    content = json.loads((stopped / "config.json").read_text())
    before = content["config"][name]
    content["config"][name] = value
    (stopped / "config.json").write_text(json.dumps(content))
    kept = {path: path.read_bytes() for path in stopped.iterdir()}
    code, _, err = plain("train", "--resume", "run")
    assert (code, err.count("\n")) == (2, 1)
    assert f"the run that config.json describes, but does not ({name} {before!r}, here {value!r}); remove it" in err
    assert {path: path.read_bytes() for path in stopped.iterdir()} == kept


@pytest.mark.parametrize(("name", "value"), [("model", "vgg"), ("shift", 40), ("pool", "median")])
def test_settings_that_cannot_be_are_the_folders_fault(plain, stopped, name, value):
    content = json.loads((stopped / "config.json").read_text())
    content["config"][name] = value
    (stopped / "config.json").write_text(json.dumps(content))
    code, _, err = plain("train", "--resume", "run")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("sevenloops train: run must describe a run that can be made: ")
    assert str(value) in err


@pytest.mark.parametrize("steps", [float("inf"), "many", None])
def test_a_state_of_impossible_numbers_is_refused(plain, stopped, steps):
    path = stopped / "checkpoint.safetensors"
    state = read_checkpoint(path)
    state["trainer"]["sums"]["steps"] = steps
    write_checkpoint(path, state)
    code, _, err = plain("train", "--resume", "run")
    assert (code, err.count("\n")) == (2, 1)
    assert "must hold the state of the run that config.json describes, but does not" in err


def test_a_checkpoint_that_is_no_file_is_refused(plain, stopped):
    path = stopped / "checkpoint.safetensors"
    path.unlink()
    path.mkdir()
    code, _, err = plain("train", "--resume", "run")
    assert (code, err.count("\n")) == (2, 1)
    assert "run/checkpoint.safetensors" in err
    assert "must be a regular file" in err


def test_without_a_checkpoint_it_goes_on_from_the_configuration(plain, stopped, here, whole):
    for name in ("checkpoint.safetensors", "weights.safetensors", "history.csv"):
        (stopped / name).unlink(missing_ok=True)
    code, out, _ = plain("train", "--resume", "run", "--quiet")
    assert code == 0
    assert "going on" not in out
    assert_same(here, whole)


# --- replacing ---------------------------------------------------------------------------------------------------


def test_what_exists_is_replaced_by_force_alone_and_the_rest_stays(plain, stopped, here, whole):
    (stopped / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in stopped.iterdir()}
    code, _, err = plain("train", *SETTINGS, "--out", "run", "--quiet")
    assert (code, err.count("\n")) == (2, 1)
    assert "run exists; choose another name, or replace the run in it by --force" in err
    assert {path: path.read_bytes() for path in stopped.iterdir()} == before
    assert plain("train", *SETTINGS, "--out", "run", "--quiet", "--force")[0] == 0
    assert_same(here, whole)
    assert (stopped / "notes.txt").read_text() == "mine"


def test_wrong_settings_replace_nothing(plain, stopped):
    before = {path: path.read_bytes() for path in stopped.iterdir()}
    for wrong in (["--data", "nowhere"], ["--shift", "40"], ["--lr", "-1"], ["--warmup", "99"]):
        assert plain("train", *SETTINGS, *wrong, "--out", "run", "--force")[0] == 2
        assert {path: path.read_bytes() for path in stopped.iterdir()} == before


def test_force_needs_a_folder_and_replaces_no_file(plain, here):
    code, _, err = plain("train", *SETTINGS, "--force")
    assert (code, "--force is for a folder that --out names" in err) == (2, True)
    (here / "file").write_text("mine")
    code, _, err = plain("train", *SETTINGS, "--out", "file", "--force")
    assert (code, "file exists; choose another name." in err) == (2, True)
    assert (here / "file").read_text() == "mine"


def test_a_loss_that_is_not_finite_later_leaves_the_epochs_before_it(plain, here, monkeypatch):
    real = RunFolder.write_weights

    def write_and_ruin(self, model):
        real(self, model)
        model.fc2.bias.data[0] = np.nan

    monkeypatch.setattr(RunFolder, "write_weights", write_and_ruin)
    code, _, err = plain("train", *SETTINGS, "--out", "run", "--quiet")
    assert code == 2
    first, last = err.splitlines()  # how to go on would be no help: it would come again
    assert first == "run has the weights of epoch 1."
    assert "it is nan at step 1 of epoch 2: it arose in fc2 (Linear)" in last
    assert plain("evaluate", "run")[0] == 0


def test_a_loss_that_is_not_finite_says_where_and_does_not_ask_to_go_on(plain, here):
    code, _, err = plain("train", "--data", "tiny", "--optimizer", "sgd", "--lr", "1e38", "--out", "run", "--quiet")
    assert code == 2
    assert re.fullmatch(
        r"sevenloops train: The (loss|gradients) must stay finite, but .* (conv[123]|fc[12]) \(\w+\).*; "
        r"use a smaller learning rate\.\n",
        err,
    )
    assert not (here / "run").exists()
