"""The benchmarks' results as tables in a README."""

import json

import pytest

from sevenloops.bench import Results, Row
from sevenloops.bench.results import Entry, Timing
from tools import readme_table

MACHINE = {"cpu": "A processor", "system": "Linux", "threads": 2, "python": "3.11", "numpy": "2.0"}


def results(suite, *rows, **rest):
    about = {"sevenloops": {"version": "0.1"}, "torch": {"version": "2.13"}}
    return Results("conv", suite, MACHINE, about, rows=list(rows), **rest)


def row(label, direction, ours, theirs, **details):
    entries = [
        Entry(name, "any", Timing(seconds, seconds, seconds, 8), 1e-7)
        for name, seconds in (("sevenloops", ours), ("torch", theirs))
    ]
    return Row(label, direction, 10, details, entries)


@pytest.fixture
def written(tmp_path):
    """Write results and a README; returns what is in the README after the script has run."""

    def write(*every, text=f"before\n{readme_table.BEGIN}\nold\n{readme_table.END}\nafter\n"):
        readme = tmp_path / "README.md"
        readme.write_text(text)
        paths = []
        for number, each in enumerate(every):
            paths.append(str(tmp_path / f"{number}.json"))
            (tmp_path / f"{number}.json").write_text(json.dumps(each.to_json()))
        readme_table.main([*paths, "--readme", str(readme)])
        return readme.read_text()

    return write


def test_suites_and_networks_losing_first(written):
    small = results("small", row("a", "forward", 1, 4), row("b", "forward", 4, 4), row("a", "input_grad", 3, 4))
    large = results("3x3", row("c", "forward", 9, 3))
    step = row("LeNet-5, 64 images", "train step", 0.01, 0.02, steps_per_epoch=938)
    networks = results("all", step, row("ResNet-50, 1 image", "infer", 0.1, 0.05, images=1))
    text = written(small, large, networks)
    assert text.startswith(f"before\n{readme_table.BEGIN}\nOur time over theirs (float32, 2 threads of A processor, ")
    assert text.endswith(f"|\n{readme_table.END}\nafter\n")
    assert "NumPy 2.0, PyTorch 2.13)" in text
    assert [line for line in text.splitlines() if line.startswith("| ") and "---" not in line] == [
        "| suite of layers, against | forward | input gradient | weight gradient | lost | worst |",
        "| `3x3`, PyTorch | 3.00 |  |  | 1 of 1 | 3.00 (`c`, forward) |",
        "| `small`, PyTorch | 0.50 | 0.75 |  | 0 of 3 | 1.00 (`b`, forward) |",
        "| network | ours | theirs | ratio |",
        "| ResNet-50, 1 image: infer | 100.0 ms | PyTorch: 50.0 ms | 2.00 |",
        "| LeNet-5, 64 images: an epoch, 938 times a step | 9.38 s | PyTorch: 18.76 s | 0.50 |",
    ]


def test_twice_is_the_same(written):
    once = written(results("small", row("a", "forward", 1, 4)))
    assert written(results("small", row("a", "forward", 1, 4)), text=once) == once


@pytest.mark.parametrize("text", ["no marks", readme_table.BEGIN, readme_table.END + readme_table.BEGIN])
def test_without_marks_nothing_is_written(written, text, tmp_path):
    with pytest.raises(SystemExit, match="put them where the tables are to be"):
        written(results("small", row("a", "forward", 1, 4)), text=text)
    assert (tmp_path / "README.md").read_text() == text


def test_parts_and_mixtures_are_refused(written):
    with pytest.raises(SystemExit, match="was stopped by Ctrl-C"):
        written(results("small", interrupted=True))
    noisy = row("a", "forward", 1, 2)
    noisy.disturbance = 0.3
    with pytest.raises(SystemExit, match="must be of a calm machine"):
        written(results("small", noisy))
    other = results("3x3", row("a", "forward", 1, 2))
    other.machine = {**MACHINE, "threads": 1}
    with pytest.raises(SystemExit, match="Results must be of one machine and one number of threads"):
        written(results("small", row("a", "forward", 1, 4)), other)
