"""The methods of Tensor: what type checkers are told exists, and the other way round."""

import ast
import inspect
import pkgutil
import textwrap
from importlib import import_module

import sevenloops as sl
from sevenloops.autograd.methods import TensorMethods
from sevenloops.functional.methods import METHODS


def declared_methods():
    """Return the names and parameters in the source of the declarations, which never runs."""
    body = ast.parse(textwrap.dedent(inspect.getsource(TensorMethods)))
    functions = [node for node in ast.walk(body) if isinstance(node, ast.FunctionDef)]
    return {f.name: [a.arg for a in (*f.args.args, *f.args.kwonlyargs)] for f in functions}


def test_every_declared_method_is_attached_and_no_other():
    declared = declared_methods().keys() - {"__hash__"}  # which is the object's, but lost where a class has __eq__
    assert declared == METHODS.keys()
    assert all(vars(sl.Tensor)[name] is method for name, method in METHODS.items())
    assert sl.Tensor.__hash__ is object.__hash__


def test_no_family_of_methods_is_forgotten_or_replaces_a_method_of_another():
    met = {}
    for module in pkgutil.walk_packages(sl.functional.__path__, "sevenloops.functional."):
        family = getattr(import_module(module.name), "METHODS", {})
        if family is not METHODS:
            assert not met.keys() & family.keys()
            met |= family
    assert met.items() <= METHODS.items()


def test_declarations_have_the_parameters_of_the_methods():
    for name, parameters in declared_methods().items():
        method = vars(sl.Tensor).get(name)
        if name == "__hash__" or isinstance(method, property):
            continue
        assert parameters[1:] == [
            p.name
            for p in list(inspect.signature(method).parameters.values())[1:]
            if p.kind is not inspect.Parameter.VAR_POSITIONAL
        ], name


def test_methods_and_functions_of_one_name_are_the_same():
    """Where they differ, the method takes sizes one by one, or itself as another argument."""
    both = METHODS.keys() & set(sl.functional.__all__)
    different = {name for name in both if getattr(sl.functional, name) is not METHODS[name]}
    assert different == {"reshape", "permute", "flip", "tile", "where"}
