"""The command as a process of its own: its streams, its signals, its terminal."""

import os
import re
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-W", "error", "-m", "sevenloops.cli"]
TRAIN = [*COMMAND, "train", "--data", "tiny", "--batch-size", "16", "--epochs"]

posix = pytest.mark.skipif(os.name != "posix", reason="signals, shells and terminals of POSIX")


def shell(command):
    """Run a line of shell script in which "$@" is the command; returns what came of it, as text."""
    return subprocess.run(["sh", "-c", command, "sh", *COMMAND], capture_output=True, text=True, timeout=120)


def test_the_module_is_the_command():
    result = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"sevenloops \d+\.\d+\.\d+\S*\n", result.stdout)
    result = subprocess.run([*COMMAND, "evaluate", "nowhere"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


@posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early(monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    result = shell('{ "$@" train --data tiny --epochs 1 --quiet; echo "code $?" >&2; } | head -n 1')
    assert result.stdout == "LeNet-5 with 61,706 parameters\n"
    assert result.stderr.splitlines()[-1] == "code 141"
    assert not re.search("Traceback|Exception|Error", result.stderr)
    if os.path.exists("runs"):  # it left after the first lines had been written: all is there but the last lines
        assert "weights.safetensors" in os.listdir("runs/lenet5-tiny-1")


@posix
@pytest.mark.parametrize(("streams", "code"), [(">&-", 0), ("2>&-", 0), ("> /dev/full", 2), ("2> /dev/full", 2)])
def test_streams_that_are_closed_or_full(streams, code):
    if "full" in streams and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    result = shell(f'"$@" evaluate nowhere {streams}; "$@" train --data tiny --epochs 1 {streams}')
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
    assert result.returncode == code
    assert os.path.isdir("runs") == (streams != "> /dev/full")


@posix
def test_what_belongs_on_a_closed_stderr_is_not_on_stdout():
    result = shell('"$@" train --data tiny --epochs 1 --out run 2>&-; "$@" evaluate nowhere 2>&-')
    assert result.returncode == 2
    assert "test accuracy: " in result.stdout
    assert not re.search("epoch|nowhere", result.stdout)


@posix
def test_an_ascii_stdout():
    result = shell('PYTHONIOENCODING=ascii "$@" train --data tiny --epochs 1 --quiet')
    assert result.returncode == 0
    assert r"images of 1\xd728\xd728" in result.stdout


@posix
def test_on_a_terminal_there_is_a_bar():
    pytest.importorskip("tqdm")
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x18\0\x50\0\0\0\0\0")  # 24 rows, 80 columns
    process = subprocess.Popen([*TRAIN, "2"], stdout=slave, stderr=slave)
    os.close(slave)
    screen = b""
    try:
        while part := os.read(master, 10_000):
            screen += part
    except OSError:  # how Linux reports the end
        pass
    os.close(master)
    assert process.wait(60) == 0
    lines = re.split(r"[\r\n]+|\x1b\[[A-Z]", screen.decode())
    bar = re.compile(r"epoch [12]/2 +\|.+\| +[\d.]+k? images/s, [\d:?]+ left, loss [\d.]+, accuracy [\d.]+ %")
    assert any(bar.match(line) for line in lines)
    assert all(len(line) <= 80 for line in lines)
    assert re.fullmatch(r"test accuracy: [\d.]+ %", [line for line in lines if line.strip()][-1])
