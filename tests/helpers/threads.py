"""A BLAS for tests, and threads, processes and forks that end in time or fail."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings

import pytest

import sevenloops as sl
from sevenloops import runtime

__all__ = ["WAIT", "Library", "from_many_threads", "in_child", "own_blas", "run", "wait_until"]

WAIT = 20  # seconds after which a thread that should have come never will


class Library:
    """A BLAS as threadpoolctl shows it."""

    def __init__(self, threads):
        self.threads = threads

    def get_num_threads(self):
        return self.threads

    def set_num_threads(self, threads):
        self.threads = threads


@contextlib.contextmanager
def own_blas(*libraries, threads=4):
    """Replace the BLAS below NumPy, which may not be one that can be held, and set the number of threads."""
    before = sl.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "_blas_controllers", lambda: libraries)
        sl.set_num_threads(threads)
        try:
            yield
        finally:
            sl.set_num_threads(before)


def run(code, **variables):
    """Return what a fresh process prints; it must end in time, with nothing to complain about."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def wait_until(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def from_many_threads(function, count=8):
    """Run a function in several threads at once, and pass on what goes wrong."""
    errors = []

    def guarded():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * WAIT)
        assert not thread.is_alive()
    assert not errors


def in_child(function):
    """Return what a function returns in a forked child, as JSON carries it."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: the process has several threads
        child = os.fork()
    if child == 0:
        try:
            message = json.dumps(function())
        except BaseException:
            message = json.dumps(traceback.format_exc())
        os.write(write, message.encode())
        os._exit(0)
    os.close(write)
    if not select.select([read], [], [], WAIT)[0]:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(read) as file:
        message = file.read()
    os.waitpid(child, 0)
    assert message, "the child hangs"
    return json.loads(message)
