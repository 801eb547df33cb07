"""Use an installed sevenloops as someone does who has just installed it with NumPy alone.

python -I tools/use_wheel.py
"""

import importlib.metadata
import subprocess
import sys
import sysconfig
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

import sevenloops as sl


def check(rule: str, holds: object) -> None:
    """Stop with the broken rule unless it holds."""
    if not holds:
        raise SystemExit(f"An installed sevenloops must pass: {rule}; it does not.")


def check_convolution() -> None:
    """Every algorithm against sums done by hand."""
    x = np.arange(1, 17).reshape(1, 1, 4, 4)
    weight = np.arange(1, 10).reshape(1, 1, 3, 3)
    # 1·1+2·2+3·3 + 4·5+5·6+6·7 + 7·9+8·10+9·11 = 348; a step to the right adds 1 under weights of 45 together, a step
    # down adds 4 under each.
    expected = np.array([[[[348, 393], [528, 573]]]])
    ran = []
    for algorithm in ("auto", *sl.algorithms()):
        for dtype in (np.float32, np.float64):
            try:
                y = sl.conv2d(x.astype(dtype), weight.astype(dtype), algorithm=algorithm)
            except sl.errors.UnsupportedGeometryError:
                check(f"{algorithm} takes every geometry", algorithm in {"winograd", "fft", "direct"})
                continue
            check(f"{algorithm} keeps {dtype.__name__}", y.dtype == dtype)
            check(f"{algorithm} is right in {dtype.__name__}", np.allclose(y, expected, rtol=1e-5))
            ran.append(algorithm)
    check("all that may not refuse a geometry have run", len(set(ran)) > len(sl.algorithms()) - 3)


def check_training(folder: Path) -> None:
    """A few steps on the bundled digits, and the weights through a file."""
    digits = sl.data.digits()
    check("7,000 digits are there", (len(digits.train_labels), len(digits.test_labels)) == (6000, 1000))
    model = sl.nn.models.LeNet5(rng=0)
    optimizer = sl.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    criterion = sl.nn.CrossEntropyLoss()
    batches = sl.data.Loader(digits.train_images, digits.train_labels, 64, shuffle=True, rng=0)
    losses = []
    for images, labels in islice(batches, 40):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    check("training learns", np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5]))

    sl.save(folder / "weights.safetensors", model.state_dict())
    twin = sl.nn.models.LeNet5(rng=1)
    twin.load_state_dict(sl.load(folder / "weights.safetensors"))
    test = digits.test_images[:10].astype(np.float32)
    with sl.no_grad():
        check("saved weights are the same weights", np.array_equal(model(test).numpy(), twin(test).numpy()))


def check_command(folder: Path) -> None:
    """The command that the package installs."""

    def run(*arguments: str) -> str:
        command = [Path(sysconfig.get_path("scripts")) / "sevenloops", *arguments]
        return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout

    check("--version says it", run("--version").split() == ["sevenloops", sl.__version__])
    check("--help has an example", "sevenloops train --model lenet5 --data digits" in run("--help"))
    for command in ("train", "evaluate", "predict", "download"):
        check(f"{command} --help has an example", f"example: sevenloops {command} " in run(command, "--help"))
    last = run("train", "--epochs", "1", "--out", "run", "--quiet").splitlines()[-1]
    made = {path.name for path in (folder / "run").iterdir()}
    kept = {"checkpoint.safetensors", "weights.safetensors", "history.csv", "config.json"}
    check("a run leaves what needs no extra", made == kept)
    check("evaluate agrees with train", run("evaluate", "run").splitlines()[-1] == last)
    check("a run goes on", run("train", "--resume", "run", "--quiet").splitlines()[-1] == last)


def main() -> None:
    package = Path(sl.__file__).parent
    check("it is the installed one", package.parent == Path(sysconfig.get_path("purelib")))
    check("its version is the one of the metadata", sl.__version__ == importlib.metadata.version("sevenloops"))
    check_convolution()
    with tempfile.TemporaryDirectory() as folder:
        check_training(Path(folder))
        check_command(Path(folder))
    print(f"sevenloops {sl.__version__} works: Python {sys.version.split()[0]}, NumPy {np.__version__}")


if __name__ == "__main__":
    main()
