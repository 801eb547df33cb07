"""The machine that code is generated for: how wide its vectors are, how many it has, and what LLVM calls it."""

import os
from dataclasses import dataclass
from functools import cache

__all__ = ["NAMES", "Target", "current"]

#: What the variable SEVENLOOPS_TARGET may say: all that the host has, AVX2 and FMA but not AVX-512, or what every
#: processor of the kind has (on x86-64 SSE2).
NAMES = ("host", "avx2", "baseline")


@dataclass(frozen=True, slots=True)
class Target:
    """A processor, as far as kernels are concerned.

    Attributes
    ----------
    vector_bytes : int
        Bytes of a vector register.
    registers : int
        How many of them there are.
    triple, cpu, features : str
        As LLVM knows it.
    """

    vector_bytes: int
    registers: int
    triple: str
    cpu: str
    features: str

    @property
    def key(self) -> str:
        """What tells code for this target from code for others."""
        return f"{self.triple} {self.cpu} {self.features}"


@cache
def current() -> Target:
    """Return the host, or what the variable SEVENLOOPS_TARGET makes of it.

    Raises
    ------
    ValueError
        If the variable has another value, or asks for more than the host has.
    """
    name = os.environ.get("SEVENLOOPS_TARGET") or "host"
    if name not in NAMES:
        raise ValueError(f"SEVENLOOPS_TARGET must be one of {', '.join(NAMES)}, but is {name!r}; unset it.")
    import llvmlite.binding as llvm

    triple = llvm.get_process_triple()
    features = dict(llvm.get_host_cpu_features())
    architecture = triple.split("-")[0]
    if architecture in ("aarch64", "arm64"):
        return Target(16, 32, triple, llvm.get_host_cpu_name() if name == "host" else "", "")
    if architecture != "x86_64":
        return Target(16, 16, triple, "", "")
    if name == "baseline":
        return Target(16, 16, triple, "x86-64", "")
    if not (features.get("avx2") and features.get("fma")):
        if name == "avx2":
            raise ValueError("SEVENLOOPS_TARGET is avx2, but this processor has no AVX2 with FMA; unset it.")
        return Target(16, 16, triple, llvm.get_host_cpu_name(), _spelled(features))
    if name == "host" and features.get("avx512f") and features.get("avx512vl") and features.get("avx512dq"):
        return Target(64, 32, triple, llvm.get_host_cpu_name(), _spelled(features))
    narrow = {feature: has and not feature.startswith("avx512") for feature, has in features.items()}
    return Target(32, 16, triple, "haswell" if name == "avx2" else llvm.get_host_cpu_name(), _spelled(narrow))


def _spelled(features: dict[str, bool]) -> str:
    return ",".join(f"{'+' if has else '-'}{feature}" for feature, has in sorted(features.items()))
