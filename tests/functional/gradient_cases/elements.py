"""Gradient cases of arithmetic, powers, elementwise functions and choices between elements."""

import operator

import numpy as np

import sevenloops as sl

SHAPES = {"": (2, 3), " of 0 axes": (), " of no elements": (2, 0), " of one element": (1, 1)}
BROADCASTS = {
    "": ((2, 3), (2, 3)),
    " of a row": ((2, 3), (3,)),
    " of a column": ((3, 1), (2, 1, 4)),
    " of 0 axes": ((), (2,)),
    " of no elements": ((2, 0), (1,)),
    " of 0 axes alone": ((), ()),
}


def signed(rng, shape):
    """Numbers of both signs, none near 0."""
    return rng.uniform(0.25, 2, shape) * rng.choice([-1, 1], shape)


def positive(rng, shape):
    return rng.uniform(0.5, 2, shape)


def apart(rng, *shapes):
    """Arrays without two numbers closer than 1/8."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    numbers = (rng.permutation(sum(sizes)) + 1) / 8
    return [part.reshape(shape) for part, shape in zip(np.split(numbers, np.cumsum(sizes)[:-1]), shapes)]


def choice(condition, rng, shapes):
    return lambda x, y: sl.where(condition, x, y), [signed(rng, shape) for shape in shapes]


UNARY = {
    name: signed for name in ("neg", "abs", "sign", "exp", "exp2", "expm1", "sin", "cos", "square", "reciprocal")
} | {name: positive for name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt")}

CASES = {
    f"{name}{how}": lambda rng, name=name, numbers=numbers, shape=shape: (getattr(sl, name), [numbers(rng, shape)])
    for name, numbers in UNARY.items()
    for how, shape in SHAPES.items()
}
CASES |= {
    f"{name}{how}": lambda rng, name=name, shapes=shapes: (getattr(sl, name), [positive(rng, s) for s in shapes])
    for name in ("add", "sub", "mul", "div", "pow")
    for how, shapes in BROADCASTS.items()
}
CASES |= {
    f"{name}{how}": lambda rng, name=name, shapes=shapes: (getattr(sl, name), apart(rng, *shapes))
    for name in ("maximum", "minimum")
    for how, shapes in BROADCASTS.items()
}
CASES |= {
    f"{name} with a constant {side}": lambda rng, name=name, side=side: (
        (lambda x: getattr(operator, name)(x, 1.5)) if side == "right" else lambda x: getattr(operator, name)(1.5, x),
        [positive(rng, (2, 3))],
    )
    for name in ("add", "sub", "mul", "truediv", "pow")
    for side in ("left", "right")
}
CASES |= {
    f"pow {exponent}": lambda rng, exponent=exponent: (lambda x: x**exponent, [positive(rng, (2, 3))])
    for exponent in (0, 1, 2, 3, -1, 0.5)
}
CASES |= {
    f"where{how}": lambda rng, shapes=shapes: choice(rng.random(np.broadcast_shapes(*shapes)) < 0.5, rng, shapes)
    for how, shapes in BROADCASTS.items()
}
CASES |= {
    f"clamp to {low} and {high}": lambda rng, low=low, high=high: (
        lambda x: sl.clamp(x, low, high),
        apart(rng, (3, 4)),
    )
    for low, high in ((0.45, 0.95), (None, 0.95), (0.45, None), (0.95, 0.45))
}
CASES |= {
    "clamp between arrays": lambda rng: (sl.clamp, apart(rng, (2, 3), (3,), (2, 1))),
    "clamp below an array": lambda rng: (lambda x, high: sl.clamp(x, None, high), apart(rng, (2, 3), (3,))),
    "clamp above an array": lambda rng: (lambda x, low: sl.clamp(x, low, 0.8), apart(rng, (3,), (2, 3))),
}
