"""The cost model: how long the parts of an algorithm take, from a handful of rates measured once.

Only the ranking matters, so the rates are those of one ordinary core (AVX-512 or AVX2, OpenBLAS) and need not be the
machine's own. An algorithm's cost is the sum of its parts: ``gemm(…) + copy(…) + calls(…)``.
"""

from dataclasses import dataclass, replace

__all__ = ["Cost", "add_at", "calls", "copy", "einsum", "gather", "gemm", "interpreted", "passes", "runs"]

# float32, one thread; float64 takes twice as long throughout. Fitted to the times of 69 passes of 23 layers, which it
# predicts within a factor of 1.3 (root mean square of the logarithm) for the im2col rungs: benchmarks/auto_choice.py.
_GEMM_FLOPS = 86e9  # matrix products
_EINSUM_FLOPS = 2.5e9  # einsum's own loops, which never call BLAS
_PYTHON_FLOPS = 6e6  # multiply-adds in Python loops
_GATHER_SECONDS = 1e-9  # one element through an index array
_ADD_AT_SECONDS = 9e-9  # one element of np.add.at
_CACHED_BYTES = 4e6  # what is read and written at this speed
_CACHED_BANDWIDTH = 30e9  # bytes per second
_BANDWIDTH = 14e9  # and beyond, where it comes from memory
_RUN_SECONDS = 5e-10  # starting one contiguous run of a strided copy
_CALL_SECONDS = 2e-6  # one NumPy call on small arrays
_PRODUCT_SECONDS = 1e-7  # one item of a batched matrix product
_WAKING_SECONDS = 1.5e-4  # handing work to other threads, and waiting for the last


@dataclass(frozen=True, slots=True)
class Cost:
    """What an algorithm needs for a problem.

    Attributes
    ----------
    seconds : float
        Predicted time.
    flops : float
        Floating-point operations it executes (more than the definition's where it computes what it drops).
    bytes : float
        Bytes it moves beyond its products' operands: copies, padding, transforms.
    workspace : int
        Bytes it allocates beyond the result.
    """

    seconds: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0
    workspace: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.seconds + other.seconds,
            self.flops + other.flops,
            self.bytes + other.bytes,
            self.workspace + other.workspace,
        )

    def times(self, count: float) -> "Cost":
        """The same work `count` times over, in the same workspace."""
        return Cost(self.seconds * count, self.flops * count, self.bytes * count, self.workspace)

    def over(self, threads: int) -> "Cost":
        """The same work spread over threads, which share memory and have to be woken."""
        if threads == 1:
            return self
        return replace(self, seconds=self.seconds / (1 + 0.85 * (threads - 1)) + _WAKING_SECONDS)

    def within(self, workspace: int) -> "Cost":
        """The same work, with the bytes it allocates."""
        return replace(self, workspace=workspace)


def gemm(m: float, n: float, k: float, itemsize: int, count: float = 1) -> Cost:
    """`count` products of an (m, k) and a (k, n) matrix; BLAS takes as long as if n and k were a little longer."""
    filled = 2 * m * (n + 4.5) * (k + 2) * count
    return Cost(
        seconds=filled / _GEMM_FLOPS * itemsize / 4 + count * _PRODUCT_SECONDS,
        flops=2 * m * n * k * count,
    )


def einsum(flops: float, itemsize: int) -> Cost:
    """Multiply-adds in einsum's own loops."""
    return Cost(seconds=flops / _EINSUM_FLOPS * itemsize / 4, flops=flops)


def interpreted(flops: float) -> Cost:
    """Multiply-adds in Python."""
    return Cost(seconds=flops / _PYTHON_FLOPS, flops=flops) + calls(15)


def copy(elements: float, run: float, itemsize: int) -> Cost:
    """A copy of `elements`, made of contiguous runs of `run` elements; read once and written once."""
    moved = 2 * elements * itemsize
    return Cost(seconds=_moving(moved) + elements / max(run, 1) * _RUN_SECONDS, bytes=moved)


def runs(count: float) -> Cost:
    """What it takes to start `count` contiguous runs of a strided copy or sum."""
    return Cost(seconds=count * _RUN_SECONDS)


def gather(elements: float, itemsize: int) -> Cost:
    """Elements read through index arrays, one by one."""
    return copy(elements, 1, itemsize) + Cost(seconds=elements * _GATHER_SECONDS)


def add_at(elements: float, itemsize: int) -> Cost:
    """Elements added through index arrays that may repeat: np.add.at."""
    return copy(elements, 1, itemsize) + Cost(seconds=elements * _ADD_AT_SECONDS)


def passes(elements: float, reads_and_writes: float, itemsize: int) -> Cost:
    """Elementwise work that touches `elements` that many times over."""
    moved = elements * reads_and_writes * itemsize
    return Cost(seconds=_moving(moved), bytes=moved)


def calls(count: float) -> Cost:
    """NumPy calls made from Python."""
    return Cost(seconds=count * _CALL_SECONDS)


def _moving(bytes_: float) -> float:
    cached = min(bytes_, _CACHED_BYTES)
    return cached / _CACHED_BANDWIDTH + (bytes_ - cached) / _BANDWIDTH
