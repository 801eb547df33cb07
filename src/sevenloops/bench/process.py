"""The parent's end of a measurement: contestants in processes of their own, which take turns."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

import sevenloops
from sevenloops.arrays import Array

__all__ = ["Contestant", "ContestantError", "ContestantRefusal"]

_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class ContestantError(RuntimeError):
    """A contestant could not do what it was asked for; the message says why."""


class ContestantRefusal(ContestantError):
    """A contestant does not do such things; the message says why."""


class Contestant:
    """A library in a process of its own, which is started when it is first asked, and again where it has died.

    Parameters
    ----------
    name : str
    command : sequence of str
        What follows the interpreter: a script or ``-m`` and a module that calls `sevenloops.bench.serving.serve`.
    threads : int
        How many the library may use.
    """

    def __init__(self, name: str, command: Sequence[str], threads: int) -> None:
        self.name = name
        self._command = [sys.executable, *command]
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None

    def ask(self, action: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises
        ------
        ContestantError
            If the contestant refuses (ContestantRefusal), fails or dies.
        """
        process = self._process = self._process or self._start()
        try:
            print(json.dumps({"action": action, **request}), file=process.stdin, flush=True)
            line = process.stdout.readline() if process.stdout else ""
        except OSError:
            line = ""
        if not line:
            self.close()
            code = process.returncode
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise ContestantError(f"the process {how}")
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise ContestantRefusal(str(answer["refused"]))
        if "failed" in answer:
            raise ContestantError(str(answer["failed"]))
        return answer

    def _start(self) -> "subprocess.Popen[str]":
        package = str(Path(sevenloops.__file__).parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        environment |= dict.fromkeys((*_POOLS, "SEVENLOOPS_NUM_THREADS"), str(self._threads))
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )

    @property
    def process_id(self) -> int | None:
        """The number of its process; None where it has none."""
        return None if self._process is None else self._process.pid

    def introduce(self) -> dict[str, Any]:
        """Return what the contestant says of itself; where its library is missing, the key "missing" names it."""
        return self.ask("introduce")

    def prepare(self, task: dict[str, Any], variant: str) -> tuple[list[Array], dict[str, Any]]:
        """Let it prepare a call and run it; return the results and its notes."""
        with tempfile.TemporaryDirectory(prefix="sevenloops-bench-") as folder:
            path = os.path.join(folder, "results.npz")
            answer = self.ask("prepare", task=task, variant=variant, results=path)
            with np.load(path) as file:
                return [file[name] for name in file.files], answer["notes"]

    def time(self, variant: str, seconds: float, runs: int) -> list[float]:
        """Let it time a prepared call for so long and so often at least; return the seconds of each."""
        times: list[float] = self.ask("time", variant=variant, seconds=seconds, runs=runs)["times"]
        return times

    def forget(self) -> None:
        """Let it forget what it has prepared."""
        if self._process is not None:
            self.ask("forget")

    def close(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
