"""How long importing sevenloops takes beyond NumPy: the median over fresh processes.

    python benchmarks/import_time.py [--processes N]

Each process imports NumPy, then sevenloops, and times the second. The result is benchmarks/results/import_time.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

import sevenloops as sl

GOAL_SECONDS = 0.15
RESULT = Path(__file__).parent / "results" / "import_time.json"

TIMED_IMPORT = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import sevenloops
end = time.perf_counter()
print(middle - start, end - middle)
"""


def measure() -> tuple[float, float]:
    """Return the seconds that a fresh process takes to import NumPy, and sevenloops after it."""
    command = [sys.executable, "-c", TIMED_IMPORT]
    numpy_seconds, own_seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(numpy_seconds), float(own_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the import of sevenloops beyond NumPy.")
    parser.add_argument("--processes", type=int, default=40, help="how many fresh processes (default: 40)")
    processes = parser.parse_args().processes
    measure()  # writes the byte code, warms the file cache
    numpy_seconds, own_seconds = zip(*(measure() for _ in range(processes)))
    low, median, high = statistics.quantiles(own_seconds, n=4)
    result = {
        "seconds_beyond_numpy": round(median, 4),
        "quartiles": [round(low, 4), round(high, 4)],
        "numpy_seconds": round(statistics.median(numpy_seconds), 4),
        "goal_seconds": GOAL_SECONDS,
        "processes": processes,
        "sevenloops": sl.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    verdict = "within" if median <= GOAL_SECONDS else "over"
    print(f"import sevenloops: {median:.3f} s beyond NumPy ({verdict} the goal of {GOAL_SECONDS} s)")


if __name__ == "__main__":
    main()
