import ast
import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import backends
from sevenloops.conv import algorithms, registry
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
    for direction in DIRECTIONS:
        assert registry.kernel(name, direction) is getattr(algorithm, direction)
        assert backends.backends_of(registry.operation(name), direction)[-1] == "numpy"


def test_a_new_algorithm_is_there_until_its_end():
    before = registry.names()
    new = rung("new")
    with changed_ladder(keep=True):
        assert registry.register(new) is new
        assert registry.names() == (*before, "new")
        assert registry.get("new") is new
        assert [registry.kernel("new", direction) for direction in DIRECTIONS] == [
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


def test_kernels_are_those_of_the_backend_in_force(monkeypatch):
    def fast(*arguments):
        """A kernel of another backend."""

    with changed_ladder(rung("new")):
        monkeypatch.setattr(backends, "PREFERENCE", ("fast", "numpy"))
        backends.register(registry.operation("new"), "forward", "fast", fast)
        assert registry.kernel("new", "forward") is fast
        assert registry.kernel("new", "input_grad") is registry.get("new").input_grad
        with backends.use_backend("numpy"):
            assert registry.kernel("new", "forward") is registry.get("new").forward
