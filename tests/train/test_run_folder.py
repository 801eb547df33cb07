import csv
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sevenloops.data import Normalize
from sevenloops.errors import DataError
from sevenloops.serialization import save
from sevenloops.train import RunDescription, RunFolder, TrainConfig, build_model
from tests.helpers.damage import attempt, is_one_sentence_about, mutate

DESCRIPTION = RunDescription(
    TrainConfig(epochs=3, data="some folder"),
    ("cat", "dog", "Käse"),
    (3, 32, 32),
    Normalize([0.5] * 3, [0.25] * 3),
    "0123abcd",
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(tmp_path):
    """A folder with a configuration and the weights of an untrained model."""
    folder = RunFolder(tmp_path)
    folder.write_config(DESCRIPTION)
    folder.write_weights(build_model(DESCRIPTION.config, 3, 3, np.random.default_rng(5)))
    return folder


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- new folders -------------------------------------------------------------------------------------------------


def test_folders_are_numbered_and_gaps_are_filled(here):
    assert [str(RunFolder.create(None, "a-b").path) for _ in range(3)] == [f"runs/a-b-{n}" for n in (1, 2, 3)]
    assert str(RunFolder.create(None, "other").path) == "runs/other-1"
    (here / "runs" / "a-b-2").rmdir()
    (here / "runs" / "a-b-4").write_text("a file")
    assert [RunFolder.create(None, "a-b").path.name for _ in range(2)] == ["a-b-2", "a-b-5"]
    assert (here / "runs" / "a-b-4").read_text() == "a file"


def test_runs_that_start_at_once_get_folders_of_their_own(here):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: RunFolder.create(None, "x").path, range(40)))
    assert sorted(path.name for path in paths) == sorted(f"x-{n}" for n in range(1, 41))


def test_a_named_folder_is_made_with_its_parents(here):
    assert RunFolder.create(Path("a/b/c"), "x").path == Path("a/b/c")
    assert RunFolder.create("a/b/c", "x").path.is_dir()  # it exists and is empty
    assert everything(here) == ["a", "a/b", "a/b/c"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_exists_is_refused_and_stays(here, kind):
    if kind == "folder":
        (here / "mine").mkdir()
    path = here / "mine" / "notes.txt" if kind == "folder" else here / "mine"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="new or empty folder, but mine exists"):
        RunFolder.create("mine", "x")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("make", [lambda p: p.write_text("a file"), lambda p: p.symlink_to("nowhere")])
def test_something_else_called_runs_is_an_error(here, make):
    make(here / "runs")
    with pytest.raises(OSError):
        RunFolder.create(None, "x")
    assert os.listdir(here) == ["runs"]


@pytest.mark.parametrize("name", [None, "a/b/c"])
def test_a_discarded_folder_leaves_nothing(here, name):
    RunFolder.create(name, "x").discard()
    assert everything(here) == []


def test_discarding_spares_what_was_there(here):
    (here / "a").mkdir()
    RunFolder.create("a", "x").discard()
    RunFolder.create("a/b", "x").discard()
    (here / "runs").mkdir()
    RunFolder.create(None, "x").discard()
    assert everything(here) == ["a", "runs"]


def test_discarding_removes_what_has_been_written_here_and_nothing_else(here):
    folder = RunFolder.create(None, "x")
    folder.write_config(DESCRIPTION)
    folder.write_history([{"epoch": 1}])
    (folder.path / "notes.txt").write_text("mine")
    folder.discard()
    assert everything(here) == ["runs", "runs/x-1", "runs/x-1/notes.txt"]
    other = RunFolder.create(None, "x")
    other.write_config(DESCRIPTION)
    other.discard()
    assert everything(here) == ["runs", "runs/x-1", "runs/x-1/notes.txt"]


def test_what_a_killed_process_left_is_nobodys_and_removed(here):
    (here / "mine").mkdir()
    left = here / "mine" / ".sevenloops-0123456789abcdef.tmp"
    for force in (False, True):
        left.write_text("half a config.json")
        RunFolder.create("mine", "x", force=force)
        assert everything(here) == ["mine"]


def test_a_folder_that_another_process_makes_meanwhile_is_its_own(here, monkeypatch):
    real = RunFolder._make

    def late(path, exist_ok):
        path.mkdir()
        return real(path, exist_ok)

    monkeypatch.setattr(RunFolder, "_make", late)
    with pytest.raises(FileExistsError):
        RunFolder.create("mine", "x")


def test_force_removes_the_configuration_last(run, monkeypatch):
    """Whatever ends it on the way, what is left is a run that can be resumed from its configuration."""
    (run.path / "checkpoint.safetensors").write_text("old")
    removed, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **kwargs: removed.append(path.name) or unlink(path, **kwargs))
    RunFolder.create(run.path, "x", force=True)
    assert (removed[0], removed[-1]) == ("checkpoint.safetensors", "config.json")


@pytest.mark.parametrize("rest", [[], ["notes.txt"]])
def test_force_removes_an_earlier_runs_files_and_no_others(run, rest):
    for name in ("checkpoint.safetensors", "history.csv", "curves.png", "mistakes.png", *rest):
        (run.path / name).write_text("old")
    with pytest.raises(FileExistsError, match="choose another name, or replace the run in it by --force"):
        RunFolder.create(run.path, "x")
    assert len(everything(run.path)) == 6 + len(rest)
    RunFolder.create(run.path, "x", force=True)
    assert everything(run.path) == rest


# --- what is written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("cat", "dog", "Käse"), ('"', "\\", "\n"), ("\udcff", "数", "")])
def test_a_description_survives_the_file(tmp_path, names):
    folder = RunFolder(tmp_path)
    normalize = Normalize([0.1, 0.2, 1 / 3], [0.3, 1e-9, 1.0])
    written = RunDescription(DESCRIPTION.config, names, (3, 28, 32), normalize, "9f")
    folder.write_config(written)
    read = folder.read_config()
    assert (read.config, read.class_names, read.image_shape) == (written.config, names, (3, 28, 32))
    assert (read.normalize.mean, read.normalize.std, read.data_hash) == (normalize.mean, normalize.std, "9f")
    assert everything(tmp_path) == ["config.json"]


def test_what_the_bits_depend_on_is_noted_and_changes_are_told(run, monkeypatch):
    noted = json.loads((run.path / "config.json").read_text())["made_with"]
    assert noted["numpy"] == np.__version__
    assert set(noted) == {"sevenloops", "numpy", "python", "machine", "threads"}
    assert run.read_changes() == []
    monkeypatch.setattr("platform.machine", lambda: "abacus")
    assert run.read_changes() == [f"machine {noted['machine']}, now abacus"]


def test_the_history_is_a_table_of_exact_numbers(tmp_path):
    rows = [{"epoch": 1, "loss": 1 / 3}, {"epoch": 2, "loss": 1e-17}]
    RunFolder(tmp_path).write_history(row for row in rows)
    with open(tmp_path / "history.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [{"epoch": int(row["epoch"]), "loss": float(row["loss"])} for row in read] == rows
    assert b"\r" not in (tmp_path / "history.csv").read_bytes()


# --- what is read ------------------------------------------------------------------------------------------------


def test_a_model_comes_back_ready_to_answer(run):
    model = run.read_model(run.read_config())
    expected = build_model(DESCRIPTION.config, 3, 3, np.random.default_rng(5)).state_dict()
    assert not any(module.training for module in model.modules())
    assert list(model.state_dict()) == list(expected)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize("name", ["", "nowhere", "config.json"])
def test_what_is_no_run_is_named(tmp_path, name):
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "config.json").mkdir()  # not a file
    with pytest.raises(DataError, match=r"has none; name one that sevenloops train has made") as caught:
        RunFolder(folder / name).read_config()
    assert is_one_sentence_about(caught.value, folder / name)


def refusal(folder, content):
    """Return the error that a config.json with this content raises."""
    path = folder.path / "config.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(DataError) as caught:
        folder.read_config()
    assert is_one_sentence_about(caught.value, path)
    return str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe{}", b"[" * 100_000, b"null", b"[]", b"7", b'"format"', b"{}", b"\0" * 50]
)
def test_what_is_no_description_is_refused(run, content):
    refusal(run, content)


@pytest.mark.parametrize("name", ["format", "config", "class_names", "image_shape", "mean", "std", "data_hash"])
def test_a_missing_part_is_named(run, name):
    content = json.loads((run.path / "config.json").read_text())
    del content[name]
    assert f"lacks '{name}'" in refusal(run, content)


WRONG = [
    *(("class_names", value) for value in (None, "0123", [], [1, 2], {"a": 1}, 3)),
    *(("image_shape", value) for value in ([28, 28], [3, 28, 28.5], [3, "28", 28], [3, 0, 28], [True] * 3, None, 1)),
    *(("mean", value) for value in (None, [0.5], [float("nan")] * 3, "0.5", [[0.5]] * 3, [0.5, 0.5, None])),
    *(("std", value) for value in ([0.0] * 3, [-1.0] * 3, [0.5, 0.5], [float("inf")] * 3)),
    *(("data_hash", value) for value in (None, 7, ["0"])),
    *(("config", value) for value in (None, [], "", 5, {})),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_part_is_refused(run, name, value):
    refusal(run, json.loads((run.path / "config.json").read_text()) | {name: value})


def test_one_mean_for_three_channels_is_refused(run):
    content = json.loads((run.path / "config.json").read_text())
    assert "one entry per channel (3)" in refusal(run, content | {"mean": [0.5], "std": [0.25]})


def test_another_format_asks_for_another_version(run):
    content = json.loads((run.path / "config.json").read_text())
    assert "must be of format 2, but is of format 3; use the version" in refusal(run, content | {"format": 3})


def test_a_wrong_choice_is_named(run):
    content = json.loads((run.path / "config.json").read_text())
    assert "epochs must be at least 1" in refusal(run, content | {"config": content["config"] | {"epochs": 0}})


def test_whatever_damage_is_read_or_refused(run):
    path = run.path / "config.json"
    refused = 0
    for _ in mutate(path, path.read_bytes(), 300, seed=4):
        _, error = attempt(run.read_config)
        assert error is None or is_one_sentence_about(error, path)
        refused += error is not None
    assert refused > 150


def test_a_choice_that_no_model_has_is_the_files_fault(run):
    content = json.loads((run.path / "config.json").read_text())
    for name in ("model", "activation", "pool", "algorithm"):
        changed = content | {"config": content["config"] | {name: "nonsense"}}
        (run.path / "config.json").write_text(json.dumps(changed))
        with pytest.raises(DataError, match="nonsense") as caught:
            run.read_model(run.read_config())
        assert is_one_sentence_about(caught.value, run.path / "config.json")


def test_weights_that_are_not_there(run):
    (run.path / "weights.safetensors").unlink()
    with pytest.raises(DataError, match="no epoch has ended there; go on by sevenloops train --resume") as caught:
        run.read_model(run.read_config())
    assert is_one_sentence_about(caught.value, run.path)


@pytest.mark.parametrize("length", [0, 7, 100, 1000, 5000, -1])
def test_truncated_weights_are_refused(run, length):
    path = run.path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError) as caught:
        run.read_model(run.read_config())
    assert is_one_sentence_about(caught.value, path)


@pytest.mark.parametrize("change", ["shape", "dtype", "missing", "extra"])
def test_weights_of_another_model_are_refused(run, change):
    path = run.path / "weights.safetensors"
    state = build_model(DESCRIPTION.config, 3, 3, np.random.default_rng(0)).state_dict()
    match change:
        case "shape":
            state["fc2.weight"] = np.zeros((4, 84), np.float32)
        case "dtype":
            state["fc2.weight"] = state["fc2.weight"].astype(np.float64)
        case "missing":
            del state["fc2.weight"]
        case "extra":
            state["fc3.weight"] = np.zeros(2, np.float32)
    save(path, state)
    with pytest.raises(
        DataError, match=r"weights of the model that config.json describes: .*fc[23]\.weight"
    ) as caught:
        run.read_model(run.read_config())
    assert is_one_sentence_about(caught.value, path)
