"""How long importing sevenloops takes beyond NumPy: the median over fresh processes.

    python benchmarks/import_time.py [--processes N]

Each process imports NumPy, then sevenloops, and times the second. Both have their byte code, as installed packages
do, whatever PYTHONDONTWRITEBYTECODE says: without it the time is that of compiling. Writes results/import_time.json.
"""

import argparse
import os
import subprocess
import sys

from contest import machine, quartiles, write

GOAL_SECONDS = 0.15

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
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    numpy_seconds, own_seconds = output.split()
    return float(numpy_seconds), float(own_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the import of sevenloops beyond NumPy.")
    parser.add_argument("--processes", type=int, default=40, help="how many fresh processes (default: 40)")
    processes = parser.parse_args().processes
    measure()  # writes the byte code, warms the file cache
    numpy_seconds, own_seconds = zip(*(measure() for _ in range(processes)))
    own = quartiles(own_seconds)
    result = {"beyond_numpy": own, "numpy": quartiles(numpy_seconds), "goal": GOAL_SECONDS}
    write("import_time", {"machine": machine(), "seconds": result})
    verdict = "within" if own["median"] <= GOAL_SECONDS else "over"
    print(f"import sevenloops: {own['median']:.3f} s beyond NumPy ({verdict} the goal of {GOAL_SECONDS} s)")


if __name__ == "__main__":
    main()
