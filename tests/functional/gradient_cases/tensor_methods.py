"""Gradient cases of the operators and methods of Tensor."""

import operator


def normal(function, *shapes):
    return lambda rng: (function, [rng.standard_normal(shape) for shape in shapes])


def positive(function, *shapes):
    return lambda rng: (function, [rng.uniform(0.5, 2, shape) for shape in shapes])


BROADCASTS = {
    "": ((2, 3), (2, 3)),
    " of a row": ((2, 3), (3,)),
    " of a column": ((3, 1), (2, 1, 4)),
    " of 0 axes": ((), (2,)),
}

CASES = {
    f"{name}{how}": positive(getattr(operator, name), *shapes)
    for name in ("add", "sub", "mul", "truediv")
    for how, shapes in BROADCASTS.items()
}
CASES |= {
    "neg": normal(operator.neg, (2, 3)),
    "pow": positive(lambda x: x**2.5, (2, 3)),
    "exp": normal(lambda x: x.exp(), (2, 3)),
    "log": positive(lambda x: x.log(), (2, 3)),
    "sqrt": positive(lambda x: x.sqrt(), (2, 3)),
    "sum": normal(lambda x: x.sum(1), (2, 3, 2)),
    "mean": normal(lambda x: x.mean((0, 2), keepdim=True), (2, 3, 2)),
    "matmul": normal(operator.matmul, (4, 3), (3, 2)),
    "matmul of batches": normal(operator.matmul, (2, 1, 4, 3), (5, 3, 2)),
    "matmul of vectors": normal(operator.matmul, (3,), (3,)),
    "reshape": normal(lambda x: x.reshape(3, 4), (2, 6)),
    "permute": normal(lambda x: x.permute(1, 2, 0), (2, 3, 4)),
    "getitem": normal(lambda x: x[1, :, ::-1], (2, 3, 4)),
    "getitem of repeated rows": normal(lambda x: x[[0, 0, 1]], (2, 3)),
}
