"""Benchmarks beside other libraries: suites of layers and networks, contestants in their own processes, reports."""

from sevenloops.bench.contestants import CONTESTANTS
from sevenloops.bench.html import as_html
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.machine import machine
from sevenloops.bench.measure import Effort, Task
from sevenloops.bench.networks import NETWORKS, infer_tasks, train_tasks
from sevenloops.bench.process import Contestant, ContestantError, ContestantRefusal
from sevenloops.bench.results import Results, Row, geometric_mean
from sevenloops.bench.run import NoContestantError, conv_tasks, run
from sevenloops.bench.suites import SUITES, select, suite
from sevenloops.bench.table import as_text

__all__ = [
    "CONTESTANTS",
    "NETWORKS",
    "SUITES",
    "Contestant",
    "ContestantError",
    "ContestantRefusal",
    "ConvLayer",
    "Effort",
    "NoContestantError",
    "Results",
    "Row",
    "Task",
    "as_html",
    "as_text",
    "conv_tasks",
    "geometric_mean",
    "infer_tasks",
    "machine",
    "run",
    "select",
    "suite",
    "train_tasks",
]
