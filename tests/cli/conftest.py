"""The command, called within the process, and a folder to call it in."""

import contextlib

import pytest

from sevenloops import cli
from sevenloops.train import RunFolder, TrainConfig, TrainingRun
from tests.helpers.commands import block
from tests.helpers.tiny_sets import tiny_digits, write_idx_folder


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


@pytest.fixture(scope="session")
def kernels(tmp_path_factory):
    """A folder for compiled kernels, which all tests share: to compile them takes seconds."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(autouse=True)
def here(tmp_path, tmp_path_factory, kernels, monkeypatch):
    """Each test runs in a new folder that holds the set "tiny"."""
    monkeypatch.delenv("SEVENLOOPS_DATA", raising=False)
    cache = tmp_path_factory.mktemp("cache")
    with contextlib.suppress(OSError):  # where links are not allowed
        (cache / "kernels").symlink_to(kernels)
    monkeypatch.setenv("SEVENLOOPS_CACHE", str(cache))
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
