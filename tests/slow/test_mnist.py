"""The published LeNet-5 on all of MNIST, two epochs, with NumPy and no other package."""

import re
import subprocess
import sys

import pytest

from tests.helpers.real_data import real_data

WITHOUT_EXTRAS = """
import sys
sys.modules.update(dict.fromkeys(["matplotlib", "numba", "PIL", "threadpoolctl", "tqdm"]))
from sevenloops.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_epochs_of_mnist(tmp_path, monkeypatch, seed):
    monkeypatch.setenv("SEVENLOOPS_DATA", str(real_data("mnist").parent.resolve()))
    arguments = ["train", "--model", "lenet5", "--data", "mnist", "--epochs", "2", "--seed", str(seed)]
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *_, last = result.stdout.splitlines()
    print(f"seed {seed}: {last}")
    assert float(re.fullmatch(r"test accuracy: ([\d.]+) %", last)[1]) >= 98.5
