"""Measuring algorithms: what is chosen, what is kept in the cache folder, and that nothing in there does harm."""

import json
import os
import random
import re
import subprocess
import sys
import time

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.conv import execute, tuning
from sevenloops.conv.problem import DIRECTIONS
from sevenloops.files import leftovers
from sevenloops.geometry import ConvGeometry
from sevenloops.settings import autotune
from tests.helpers.ladder import changed_ladder, rung

GEOMETRY = ConvGeometry.forward((2, 3, 9, 8), (4, 3, 3, 2))
NAMES = ("slow", "middle", "quick")
SLEEPS = {"slow": 9e-3, "middle": 5e-3, "quick": 1e-3}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache folder of its own, and switches that are as before afterwards."""
    monkeypatch.setenv("SEVENLOOPS_CACHE", str(tmp_path))
    monkeypatch.setattr(autotune, "_value", True)
    tuning.tuned.cache_clear()
    yield tmp_path / "tuning"
    tuning.tuned.cache_clear()


class Sleepers:
    """Algorithms of which the slowest is predicted to be fastest; how often each ran."""

    def __init__(self, predicted=(1.0, 2.0, 3.0), sleeps=SLEEPS, **options):
        self.runs = dict.fromkeys(NAMES, 0)
        self.sleeps = dict(sleeps)
        kernels = {name: dict.fromkeys(DIRECTIONS, self._kernel(name)) for name in NAMES}
        self.rungs = [rung(name, seconds, **kernels[name], **options) for name, seconds in zip(NAMES, predicted)]

    def _kernel(self, name):
        def kernel(*arguments):
            self.runs[name] += 1
            time.sleep(self.sleeps[name])

        return kernel

    def plan(self, direction="forward", geometry=GEOMETRY, algorithm="auto", dtype="float32", max_workspace=None):
        """Plan as in a new process."""
        tuning.tuned.cache_clear()
        self.runs.update(dict.fromkeys(NAMES, 0))
        return execute.plan(geometry, direction, np.dtype(dtype), False, algorithm, max_workspace)


@pytest.fixture
def sleepers():
    made = Sleepers()
    with changed_ladder(*made.rungs):
        yield made


def only_file(folder):
    (file,) = folder.iterdir()
    return file


# --- what is chosen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_measured_fastest_is_chosen(direction, sleepers):
    plan = sleepers.plan(direction)
    assert plan.algorithm == "quick"
    assert plan.requested == "auto"
    assert [name for name, _ in plan.measured] == ["quick", "middle", "slow"]
    for name, seconds in plan.measured:
        assert SLEEPS[name] <= seconds < SLEEPS[name] + 1
    assert min(sleepers.runs.values()) >= 3
    with sl.autotune(False):
        plain = sleepers.plan(direction)
    assert (plain.algorithm, plain.measured) == ("slow", ())
    assert sleepers.runs == dict.fromkeys(NAMES, 0)


def test_the_table_shows_what_was_measured(sleepers):
    plan = sleepers.plan()
    header, *rows = str(plan).splitlines()[3:]
    column = header.index("measured") + len("measured")
    for row in rows:
        name = row[1:].split()[0]
        shown = re.search(r"[\d.]+ (?:µs|ms|s)$", row[:column]).group()
        number, unit = shown.split()
        seconds = float(number) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
        assert seconds == pytest.approx(dict(plan.measured)[name], rel=1e-2)
    assert str(plan).count("chosen: measured fastest") == 1
    assert "times the measured fastest's time" in str(plan)
    assert next(row for row in rows if row.startswith("*")).split()[1] == "quick"


def test_a_name_that_is_asked_for_is_not_measured(sleepers):
    plan = sleepers.plan(algorithm="slow")
    assert (plan.algorithm, plan.measured) == ("slow", ())
    assert sum(sleepers.runs.values()) == 0


def test_those_predicted_to_be_much_slower_are_not_measured():
    with changed_ladder(*Sleepers((1.0, 2.0, 6.0)).rungs):
        plan = execute.plan(GEOMETRY, "forward", np.dtype("float32"), False, "auto", None)
        assert "chosen: measured fastest" in str(plan)
    assert plan.algorithm == "middle"
    assert [name for name, _ in plan.measured] == ["middle", "slow"]


def test_where_there_is_no_choice_nothing_is_measured(folder):
    for sleepers, geometry in (
        (Sleepers((1.0, 20.0, 30.0)), GEOMETRY),
        (Sleepers(), ConvGeometry.forward((0, 3, 9, 8), (4, 3, 3, 2))),
    ):
        with changed_ladder(*sleepers.rungs):
            plan = sleepers.plan(geometry=geometry)
        assert (plan.algorithm, plan.measured) == ("slow", ())
        assert sum(sleepers.runs.values()) == 0
    assert not folder.exists()


def test_a_refusal_and_a_workspace_hold():
    odd = rung("odd", 0.5, refusal="it is odd")
    greedy = rung("greedy", 0.5, workspace=1000)
    with changed_ladder(odd, greedy, *Sleepers().rungs):
        plan = execute.plan(GEOMETRY, "forward", np.dtype("float32"), False, "auto", 999)
    assert [name for name, _ in plan.measured] == ["quick", "middle", "slow"]


def test_results_are_right():
    """Whatever is chosen, of the library's own."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 4, 6, 6)), rng.standard_normal((4, 4, 3, 3))
    y = sl.conv2d(x, w, algorithm="loops")
    np.testing.assert_allclose(sl.conv2d(x, w), y, atol=1e-10)
    plan = sl.plan_conv2d(x, w)
    assert len(plan.measured) > 1
    assert plan.algorithm == plan.measured[0][0]
    names = {candidate.name: candidate.backend for candidate in plan.candidates}
    assert plan.backend == names[plan.algorithm]


# --- what is kept --------------------------------------------------------------------------------------------------


def test_what_was_found_is_used_again(sleepers, folder):
    first = sleepers.plan()
    content = only_file(folder).read_bytes()
    sleepers.sleeps["quick"] = 1.0  # it would be chosen no more
    again = sleepers.plan()
    assert sum(sleepers.runs.values()) == 0
    assert (again.algorithm, again.measured) == (first.algorithm, first.measured)
    assert only_file(folder).read_bytes() == content
    assert json.loads(content)["seconds"] == dict(first.measured)


def test_within_a_process_the_file_is_read_once(sleepers, folder):
    sleepers.plan()
    only_file(folder).unlink()
    ran = dict(sleepers.runs)
    assert execute.plan(GEOMETRY, "forward", np.dtype("float32"), False, "auto", None).algorithm == "quick"
    assert sleepers.runs == ran


def test_a_file_for_each_thing_that_times_depend_on(sleepers, folder, monkeypatch):
    sleepers.sleeps = dict.fromkeys(NAMES, 1e-4)
    before = sl.get_num_threads()
    files = []

    def measured(**options):
        sleepers.plan(**options)
        assert min(sleepers.runs.values()) > 0, "another problem's times were used"
        files.append(len(list(folder.iterdir())))

    measured()
    for direction in DIRECTIONS[1:]:
        measured(direction=direction)
    measured(dtype="float64")
    measured(max_workspace=10**6)
    measured(geometry=ConvGeometry.forward((2, 3, 9, 8), (4, 3, 3, 2), stride=2))
    try:
        sl.set_num_threads(before + 1)
        measured()
    finally:
        sl.set_num_threads(before)
    with sl.use_exact_algorithms():
        measured()
    for changed in ("__version__", "np.__version__"):
        owner, name = (np, "__version__") if changed.startswith("np") else (tuning, changed)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, "0.0.0")
            tuning._machine.cache_clear()
            measured()
        tuning._machine.cache_clear()
    assert files == list(range(1, len(files) + 1))
    assert len(files) == 10


def broken(valid):
    """Contents that are not what was written."""
    content = json.loads(valid)
    chooser = random.Random(0)
    seconds = content["seconds"]
    yield from (b"", b"\0", b"null", b"true", b"1", b'"seconds"', b"[]", b"{}", b'["seconds"]', b"NaN", b"\xff\xfe")
    yield from (valid[:length] for length in range(0, len(valid) - 1, 97))
    yield from (chooser.randbytes(length) for length in (1, 2, 100, 5000))
    for _ in range(20):  # bits flipped where the times are
        place = chooser.randrange(valid.index(b"seconds"), len(valid))
        yield valid[:place] + bytes([valid[place] ^ 0x80]) + valid[place + 1 :]
    yield b"[" * 100_000
    yield valid + valid
    for wrong in (None, 1, "quick", [], [["quick", 1.0]], {}, {"seconds": seconds}):
        yield json.dumps({**content, "seconds": wrong}).encode()
    for wrong in (None, "1.0", True, False, [], {}, [1.0], 0, 0.0, -1.0, 1, 10**400, -(10**400)):
        yield json.dumps({**content, "seconds": {**seconds, "quick": wrong}}).encode()
    for wrong in ("NaN", "Infinity", "-Infinity", "1e999", "1" * 5000):
        text = json.dumps({**content, "seconds": {**seconds, "quick": 7.5}})
        yield text.replace("7.5", wrong).encode()
    for names in (("slow", "middle"), (*NAMES, "more"), ("slow", "middle", "Quick"), ("loops", "direct", "fft"), ()):
        yield json.dumps({**content, "seconds": dict.fromkeys(names, 1.0)}).encode()


def test_whatever_is_in_the_file(sleepers, folder):
    sleepers.sleeps = dict(zip(NAMES, (2e-4, 1e-4, 0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "_SECONDS", 0.0)
        sleepers.plan()
        file = only_file(folder)
        valid = file.read_bytes()
        count = 0
        for content in broken(valid):
            file.write_bytes(content)
            plan = sleepers.plan()
            assert min(sleepers.runs.values()) > 0, content[-200:]
            assert sorted(dict(plan.measured)) == sorted(NAMES)
            assert json.loads(only_file(folder).read_bytes())["seconds"] == dict(plan.measured)
            count += 1
        assert count > 60
        assert sleepers.plan().measured == plan.measured
        assert sum(sleepers.runs.values()) == 0


def test_another_order_and_other_entries_beside_it_do_no_harm(sleepers, folder):
    plan = sleepers.plan()
    file = only_file(folder)
    content = json.loads(file.read_bytes())
    content["seconds"] = dict(reversed(content["seconds"].items()))
    file.write_bytes(b"  " + json.dumps({"more": 1, **content}, indent=7).encode())
    assert sleepers.plan().measured == plan.measured
    assert sum(sleepers.runs.values()) == 0


UNUSABLE = {
    "a file where the folder should be": lambda path: path.write_bytes(b"x"),
    "a file where the cache should be": lambda path: (path.parent.rmdir(), path.parent.write_bytes(b"x")),
    "a folder that may not be written to": lambda path: (path.mkdir(), path.chmod(0o500)),
    "a link to nowhere": lambda path: path.symlink_to(path.parent / "nothing" / "there"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_cache_that_cannot_be_used(kind, sleepers, folder):
    UNUSABLE[kind](folder)
    for _ in range(2):
        assert sleepers.plan().algorithm == "quick"
        if not (kind.startswith("a folder") and os.geteuid() == 0):  # which may write everywhere
            assert min(sleepers.runs.values()) > 0 or folder.is_dir()


def test_a_folder_in_place_of_the_file(sleepers, folder):
    sleepers.plan()
    file = only_file(folder)
    file.unlink()
    file.mkdir()
    assert sleepers.plan().algorithm == "quick"
    assert file.is_dir()
    assert leftovers(folder) == []


WRITER = """
import sys, numpy as np, sevenloops as sl
from sevenloops.conv import tuning
from sevenloops.runtime import cache_folder
sl.autotune()
x, w = np.ones((1, 2, 5, 5)), np.ones((2, 2, 3, 3))
sys.stdin.readline()
for number in range(12):
    tuning.tuned.cache_clear()
    plan = sl.plan_conv2d(x, w)
    assert plan.algorithm == plan.measured[0][0]
    if number % 3 != 2:
        for file in (cache_folder() / "tuning").glob("*.json"):
            file.write_bytes(file.read_bytes()[: 100 * number]) if number % 2 else file.unlink(missing_ok=True)
print("done")
"""


def test_processes_that_measure_at_the_same_time(folder):
    code = WRITER.replace("file.write_bytes(file.read_bytes()[: 100 * number])", "spoil(file, number)").replace(
        "sl.autotune()\n",
        "sl.autotune()\n"
        "def spoil(file, number):\n"
        "    try:\n"
        "        file.write_bytes(file.read_bytes()[: 100 * number])\n"
        "    except FileNotFoundError:\n"
        "        pass\n",
    )
    environment = {**os.environ, "SEVENLOOPS_BACKEND": "numpy"}
    command = [sys.executable, "-W", "error", "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(3)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60) == ("done\n", "")
    content = json.loads(only_file(folder).read_bytes())
    assert all(seconds > 0 for seconds in content["seconds"].values())
    assert leftovers(folder) == []
