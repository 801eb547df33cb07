"""The gradient checks that each family of operations supplies: where they are, and which operations they reach.

A family has a file tests/functional/gradient_cases/FAMILY.py with ``CASES``: a name -> a function that takes a
numpy.random.Generator and returns (function, arrays): a differentiable function of one Tensor per array, and float64
arrays at which it is smooth (and stays so when they are rounded to float16: values of about 1, no ties, no kinks
nearby). Constants inside the function take the dtype of its arguments. Whatever it computes with is checked. A third
entry may hold options of check_gradients.
"""

import importlib
import pkgutil
from pathlib import Path

import sevenloops
from sevenloops.autograd import Operation

__all__ = ["all_cases", "all_operations", "tensors_of", "uses_below"]

FOLDER = Path(__file__).parents[1] / "functional" / "gradient_cases"


def all_cases():
    """Return {"family: name": make} of every file."""
    cases = {}
    for found in pkgutil.iter_modules([str(FOLDER)]):
        module = importlib.import_module(f"tests.functional.gradient_cases.{found.name}")
        cases |= {f"{found.name}: {name}": make for name, make in module.CASES.items()}
    return cases


def all_operations():
    """Return {operation: where it is} of every record in functional, also of those inside lists and dicts."""
    found = {}
    functional = [
        module.name for module in pkgutil.walk_packages(sevenloops.functional.__path__, "sevenloops.functional.")
    ]
    for module in ("sevenloops.functional", *functional):
        for name, value in vars(importlib.import_module(module)).items():
            for operation in _records(value):
                found.setdefault(operation, f"{module}.{name}")
    return found


def _records(value):
    if isinstance(value, Operation):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [entry for entry in value if isinstance(entry, Operation)]


def tensors_of(result):
    """Return the Tensors with a history among the results of a function."""
    results = result if isinstance(result, (tuple, list)) else (result,)
    return [r for r in results if isinstance(r, sevenloops.Tensor) and r.requires_grad]


def uses_below(tensors):
    """Return the pairs (operation, index of an input that wants a gradient) from which Tensors came."""
    waiting, met = [t.node for t in tensors if t.node is not None], set()
    while waiting:
        node = waiting.pop()
        if node not in met:
            met.add(node)
            waiting += [source for source in node.inputs if type(source) is type(node)]
    return {(node.operation, i) for node in met for i, needed in enumerate(node.needs) if needed}
