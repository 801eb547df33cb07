import ast
import dataclasses
import importlib
import inspect
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import backends
from sevenloops.conv import algorithms, registry
from sevenloops.conv.cost import Cost
from sevenloops.conv.problem import DIRECTIONS
from tests.helpers.ladder import changed_ladder, make_problem, rung

#: The contract's names and their order; not every version has all of them.
LADDER = (
    "loops",
    "loops-window",
    "einsum-pixel",
    "einsum-windows",
    "offset-matmul",
    "im2col-index",
    "im2col",
    "im2col-lazy",
    "winograd",
    "fft",
    "direct",
)


def test_names_are_in_the_order_of_the_ladder():
    assert registry.names() == tuple(name for name in LADDER if name in registry.names())
    assert sl.algorithms() == registry.names()
    assert len(registry.names()) >= 8


def test_the_order_is_that_of_the_imports():
    """Every module of the folder is on the ladder, where the folder's list of imports puts it."""
    tree = ast.parse(inspect.getsource(algorithms))
    modules = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    folder = Path(algorithms.__file__).parent
    assert sorted(modules) == sorted(path.stem for path in folder.glob("[a-z]*.py"))
    loaded = [importlib.import_module(f"{algorithms.__name__}.{name}") for name in modules]
    assert tuple(module.ALGORITHM.name for module in loaded) == registry.names()


@pytest.mark.parametrize("name", registry.names())
def test_every_algorithm_is_complete(name):
    algorithm = registry.get(name)
    assert algorithm.name == name
    assert algorithm.summary
    assert "\n" not in algorithm.summary
    assert algorithm.forward or algorithm.machine
    for direction in DIRECTIONS:
        places = backends.backends_of(registry.operation(name), direction)
        assert ("numpy" in places) == (algorithm.forward is not None)
        if "numpy" in places:
            assert registry.kernel(name, direction, "numpy") is getattr(algorithm, direction)
        if algorithm.machine and "jit" in backends.usable():
            assert places[0] == "jit"
            module = importlib.import_module(algorithm.machine)
            assert registry.kernel(name, direction, "jit") is getattr(module, direction)


def test_a_new_algorithm_is_there_until_its_end():
    before = registry.names()
    new = rung("new")
    with changed_ladder(keep=True):
        assert registry.register(new) is new
        assert registry.names() == (*before, "new")
        assert registry.get("new") is new
        assert [registry.kernel("new", direction, "numpy") for direction in DIRECTIONS] == [
            new.forward,
            new.input_grad,
            new.weight_grad,
        ]
    assert registry.names() == before
    with pytest.raises(sl.errors.UnknownAlgorithmError):
        registry.get("new")


def test_it_accepts_every_problem_unless_it_says_otherwise():
    complete = rung("new")
    algorithm = registry.ConvAlgorithm(
        "new", "", complete.forward, complete.input_grad, complete.weight_grad, complete.cost
    )
    assert algorithm.refusal(make_problem()) is None


@pytest.mark.parametrize("name", ["loops", "im2col", "auto"])
def test_names_are_unique(name):
    before = registry.names()
    kernels = {direction: backends.backends_of(registry.operation(name), direction) for direction in DIRECTIONS}
    with pytest.raises(ValueError, match=rf"^Algorithm names must be unique, but '{name}' is taken; choose another"):
        registry.register(rung(name))
    assert registry.names() == before
    for direction in DIRECTIONS:
        assert backends.backends_of(registry.operation(name), direction) == kernels[direction]


def test_what_cannot_be_registered_is_not_on_the_ladder():
    with changed_ladder(keep=True):
        backends.register(registry.operation("new"), "weight_grad", "numpy", print)
        with pytest.raises(ValueError, match="already has a numpy kernel"):
            registry.register(rung("new"))
        assert "new" not in registry.names()


@pytest.mark.parametrize("name", ["winnograd", "", "IM2COL", "auto", None, 3, ["loops"], np.ones(2)])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(sl.errors.UnknownAlgorithmError) as caught:
        registry.get(name)
    message = str(caught.value)
    assert f'must be "auto" or one of {", ".join(registry.names())}, but got {name!r}.' in message
    assert caught.value.__suppress_context__


def machine(monkeypatch, refusal=None, workspace=0):
    """Return the name of a module of kernels in machine code, which return their own name."""
    module = types.ModuleType("tests_own_machine_code")
    module.refusal = lambda problem: refusal
    module.cost = lambda problem: Cost(0.5, workspace=workspace)
    for direction in DIRECTIONS:
        setattr(module, direction, lambda *arguments, direction=direction: direction)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def test_kernels_are_those_of_the_backend(monkeypatch):
    name = machine(monkeypatch)
    with changed_ladder(dataclasses.replace(rung("new"), machine=name)):
        for direction in DIRECTIONS:
            assert registry.kernel("new", direction, "jit") is getattr(sys.modules[name], direction)
            assert registry.kernel("new", direction, "numpy") is getattr(registry.get("new"), direction)


@pytest.mark.parametrize(
    ("usable", "refusal", "workspace", "expected"),
    [
        (("jit", "numpy"), None, 0, ("jit", 0.5, None)),
        (("jit",), None, 0, ("jit", 0.5, None)),
        (("numpy",), None, 0, ("numpy", 1.0, None)),
        (("jit", "numpy"), "it is odd", 0, ("numpy", 1.0, None)),
        (("jit",), "it is odd", 0, ("", 0.0, "it is odd")),
        (("jit", "numpy"), None, 101, ("numpy", 1.0, None)),
        (("jit",), None, 101, ("", 0.0, "its workspace of 101 bytes exceeds max_workspace of 100 bytes")),
    ],
)
def test_the_first_backend_that_can_is_considered(monkeypatch, usable, refusal, workspace, expected):
    algorithm = dataclasses.replace(rung("new", workspace=100), machine=machine(monkeypatch, refusal, workspace))
    problem = dataclasses.replace(make_problem(max_workspace=100), backends=usable)
    backend, cost, reason = algorithm.considered(problem)
    assert (backend, cost.seconds, reason) == expected


def test_why_there_is_no_backend(monkeypatch):
    only_machine = registry.ConvAlgorithm("new", "", machine=machine(monkeypatch))
    assert "sevenloops[fast]" in only_machine.considered(make_problem())[2]
    only_jit = dataclasses.replace(make_problem(), backends=("jit",))
    assert rung("new").considered(only_jit)[2] == "it has no kernel on this backend"
