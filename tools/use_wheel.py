"""Use an installed sevenloops as someone does who has just installed it with NumPy alone.

python -I tools/use_wheel.py
"""

import importlib.metadata
import sys
import sysconfig
from pathlib import Path

import numpy as np

import sevenloops as sl


def check(rule: str, holds: object) -> None:
    """Stop with the broken rule unless it holds."""
    if not holds:
        raise SystemExit(f"An installed sevenloops must pass: {rule}; it does not.")


def check_convolution() -> None:
    """Every algorithm against sums done by hand."""
    x = np.arange(1, 17).reshape(1, 1, 4, 4)
    weight = np.arange(1, 10).reshape(1, 1, 3, 3)
    # 1·1+2·2+3·3 + 4·5+5·6+6·7 + 7·9+8·10+9·11 = 348; a step to the right adds 1 under weights of 45 together, a step
    # down adds 4 under each.
    expected = np.array([[[[348, 393], [528, 573]]]])
    ran = []
    for algorithm in ("auto", *sl.algorithms()):
        for dtype in (np.float32, np.float64):
            try:
                y = sl.conv2d(x.astype(dtype), weight.astype(dtype), algorithm=algorithm)
            except sl.errors.UnsupportedGeometryError:
                check(f"{algorithm} takes every geometry", algorithm in {"winograd", "fft", "direct"})
                continue
            check(f"{algorithm} keeps {dtype.__name__}", y.dtype == dtype)
            check(f"{algorithm} is right in {dtype.__name__}", np.allclose(y, expected, rtol=1e-5))
            ran.append(algorithm)
    check("all that may not refuse a geometry have run", len(set(ran)) > len(sl.algorithms()) - 3)


def main() -> None:
    package = Path(sl.__file__).parent
    check("it is the installed one", package.parent == Path(sysconfig.get_path("purelib")))
    check("its version is the one of the metadata", sl.__version__ == importlib.metadata.version("sevenloops"))
    check_convolution()
    print(f"sevenloops {sl.__version__} works: Python {sys.version.split()[0]}, NumPy {np.__version__}")


if __name__ == "__main__":
    main()
