import os
import re
import sys
from contextlib import contextmanager, redirect_stderr, suppress

import pytest

from sevenloops.train.progress import Progress


def go(progress, epochs=2, batches=3):
    with progress:
        for epoch in range(1, epochs + 1):
            for _ in range(batches):
                progress.step(epoch, 10, 0.123456, 0.98765)
            progress.line(f"epoch {epoch} has ended")


@contextmanager
def terminal():
    """Make stderr a terminal of 80 columns; the list that it yields holds at the end what has been written to it."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x18\0\x50\0\0\0\0\0")  # 24 rows, 80 columns
    screen: list[str] = []
    with os.fdopen(slave, "w", encoding="utf-8") as stream, redirect_stderr(stream):
        yield screen
    content = b""
    with suppress(OSError):  # how Linux reports the end
        while part := os.read(master, 10_000):
            content += part
    os.close(master)
    screen.append(content.decode())


def test_elsewhere_each_epoch_is_a_line(capsys):
    go(Progress(2, 30))
    assert capsys.readouterr() == ("", "epoch 1 has ended\nepoch 2 has ended\n")


def test_quiet_is_quiet(capsys):
    go(Progress(2, 30, quiet=True))
    assert capsys.readouterr() == ("", "")
    with terminal() as screen:
        go(Progress(2, 30, quiet=True))
        sys.stderr.write("end")
    assert screen == ["end"]


def test_no_stderr_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    go(Progress(2, 30))


def test_a_terminal_gets_a_bar_that_fits_it():
    pytest.importorskip("tqdm")
    with terminal() as screen:
        go(Progress(2, 30))
    for part in ("epoch 2/2", "images/s", "left", "loss 0.123", "accuracy 98.8 %", "epoch 1 has ended\r\n"):
        assert part in screen[0]
    for line in re.split(r"[\r\n]|\x1b\[[A-Z]", screen[0]):
        assert len(line) <= 80


def test_a_bar_goes_on_from_what_another_process_has_done():
    pytest.importorskip("tqdm")
    with terminal() as screen, Progress(4, 30, done=75) as progress:
        progress.step(3, 15, 0.5, 0.5)
    assert "epoch 1/4" not in screen[0]
    assert "epoch 3/4 |" in screen[0]
    bars = re.findall(r"\|([^|]*)\|", screen[0])
    assert 0.5 < bars[0].rstrip().count("█") / len(bars[0]) < 0.75
    with terminal() as screen:
        go(Progress(2, 30, done=60), epochs=0)
        sys.stderr.write("end")
    assert screen == ["end"]


def test_a_failure_ends_the_bar_with_its_line():
    pytest.importorskip("tqdm")
    with terminal() as screen:
        with suppress(ZeroDivisionError), Progress(2, 30) as progress:
            progress.step(1, 10, 2.3, 0.1)
            raise ZeroDivisionError
        sys.stderr.write("what went wrong\n")
    assert screen[0].endswith("\nwhat went wrong\r\n")


def test_without_tqdm_it_is_said_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with terminal() as screen:
        go(Progress(2, 30))
    first, *rest = screen[0].splitlines()
    assert first == "No progress bar: tqdm is not installed (pip install 'sevenloops[train]')."
    assert rest == ["epoch 1 has ended", "epoch 2 has ended"]
