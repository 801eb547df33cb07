"""The methods of Tensor: what type checkers are told exists, and the other way round."""

import ast
import inspect
import textwrap

import sevenloops as sl
from sevenloops.autograd.methods import TensorMethods
from sevenloops.functional import arithmetic, matrix, reductions, shaping


def declared_methods():
    """Return the names and parameters in the source of the declarations, which never runs."""
    body = ast.parse(textwrap.dedent(inspect.getsource(TensorMethods)))
    functions = [node for node in ast.walk(body) if isinstance(node, ast.FunctionDef)]
    return {f.name: [a.arg for a in (*f.args.args, *f.args.kwonlyargs)] for f in functions}


def test_every_declared_method_is_attached_and_no_other():
    attached = {}
    for family in (arithmetic, matrix, reductions, shaping):
        assert not attached.keys() & family.METHODS.keys()
        attached |= family.METHODS
    assert declared_methods().keys() == attached.keys()
    assert all(vars(sl.Tensor)[name] is method for name, method in attached.items())


def test_declarations_have_the_parameters_of_the_methods():
    for name, parameters in declared_methods().items():
        method = vars(sl.Tensor)[name]
        if isinstance(method, property):
            continue
        assert parameters[1:] == [
            p.name
            for p in list(inspect.signature(method).parameters.values())[1:]
            if p.kind is not inspect.Parameter.VAR_POSITIONAL
        ], name
