"""What others use of the processors, and that a task is timed again when they do."""

import os
import subprocess
import sys
import time

import pytest

from sevenloops.bench import Effort, conv_tasks, suite
from sevenloops.bench.load import Load
from sevenloops.bench.measure import Runner, measure

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="the system does not tell")


def test_shares():
    before, after = Load(1000, 300, 100), Load(1200, 400, 150)
    assert after.others_since(before) == pytest.approx(0.25)
    assert before.others_since(before) == 0
    assert Load(1200, 310, 150).others_since(before) == 0  # ticks of one are counted later than those of all


@needs_proc
def test_a_busy_process_is_seen_or_is_ours():
    code = "import time; end = time.perf_counter() + 0.6\nwhile time.perf_counter() < end: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as busy:
        time.sleep(0.1)
        all_before, ours_before = Load.now([os.getpid()]), Load.now([os.getpid(), busy.pid])
        time.sleep(0.4)
        all_after, ours_after = Load.now([os.getpid()]), Load.now([os.getpid(), busy.pid])
        stranger = all_after.others_since(all_before)
        known = ours_after.others_since(ours_before)
    assert known + 0.02 < stranger <= 1


def test_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr("sevenloops.bench.load._PROC", tmp_path)
    assert Load.now([os.getpid()]) is None


class Fake:
    """A contestant whose times say which attempt they are of."""

    name = "fake"
    process_id = None

    def __init__(self):
        self.turns = 0

    def prepare(self, task, variant):
        return [suite("small")[0].arrays()[0]], {}

    def time(self, variant, seconds, runs):
        self.turns += 1
        return [float(self.turns)] * runs

    def forget(self):
        pass


@pytest.mark.parametrize(
    ("shares", "kept"),
    [([0.0], 1), ([0.04], 1), ([0.5, 0.01], 2), ([0.5, 0.3, 0.4], 2), ([0.3, 0.5, 0.4], 1), ([0.5, 0.4, 0.3], 3)],
)
def test_the_calmest_attempt_counts(monkeypatch, shares, kept):
    left = list(shares)
    state = type("State", (), {"others_since": lambda self, before: left.pop(0)})
    monkeypatch.setattr("sevenloops.bench.measure.Load.now", lambda processes: state())
    (task,) = conv_tasks(suite("small")[:1], ["forward"])
    object.__setattr__(task, "reference", lambda: [suite("small")[0].arrays()[0]])
    row = measure(task, [Runner(Fake(), ("only",))], Effort(0.1, 2, 1, attempts=3))
    assert left == []
    assert row.entries[0].timing.median == kept
    assert row.disturbance == min(shares)
