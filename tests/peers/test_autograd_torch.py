"""Tensor's operations against PyTorch: values, dtypes and gradients, of many random calls in float64.

A case draws its arguments and returns (call, arrays). A call is made with either library, whose functions have the
same names; where PyTorch keeps one elsewhere, `THEIRS` says where.
"""

import numpy as np
import pytest

import sevenloops as sl

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

torch.set_num_threads(1)


class Theirs:
    """PyTorch under the names of sevenloops."""

    pad = staticmethod(torch.nn.functional.pad)
    vector_norm = staticmethod(torch.linalg.vector_norm)
    unflatten = staticmethod(torch.unflatten)

    def __getattr__(self, name):
        return getattr(torch, name)


THEIRS = Theirs()
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 2.0, 0.5])


def shape_of(rng, low=0, axes=4, least=0):
    return tuple(int(n) for n in rng.integers(low, 4, rng.integers(least, axes + 1)))


def broadcast_pair(rng):
    full = shape_of(rng)
    shapes = []
    for _ in range(2):
        shape = [1 if rng.random() < 0.3 else n for n in full]
        shapes.append(tuple(shape[rng.integers(0, len(shape) + 1) :]))
    return shapes


def normal(rng, shape):
    return rng.standard_normal(shape)


def positive(rng, shape):
    return rng.uniform(0.1, 3, shape)


def tied(rng, shape):
    """Few different numbers, so that many are equal."""
    return rng.integers(-2, 3, shape) / 2


def some_dims(rng, axes, none=True):
    """One axis, several, or None for all; a reduction over the empty tuple means different things."""
    if not axes or (none and rng.random() < 0.2):
        return None
    if rng.random() < 0.4:
        return int(rng.integers(-axes, axes))
    chosen = rng.permutation(axes)[: rng.integers(1, axes + 1)]
    return tuple(int(d) - axes * int(rng.integers(2)) for d in chosen)


def one_dim(rng, axes):
    return int(rng.integers(-axes, axes)) if axes else 0


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def unary(name, numbers):
    def make(rng):
        return lambda m, x: getattr(m, name)(x), [numbers(rng, shape_of(rng))]

    CASES[name] = make


for _name in ("neg", "abs", "sign", "exp", "exp2", "expm1", "sin", "cos", "square", "relu", "sigmoid", "tanh"):
    unary(_name, tied if _name in ("abs", "sign") else normal)
for _name in ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal"):
    unary(_name, positive)


def binary(name, numbers):
    def make(rng):
        return lambda m, x, y: getattr(m, name)(x, y), [numbers(rng, shape) for shape in broadcast_pair(rng)]

    CASES[name] = make


for _name in ("add", "sub", "mul", "div", "pow"):
    binary(_name, positive)
for _name in ("maximum", "minimum"):
    binary(_name, tied)


@case
def operators_with_numbers(rng):
    number = float(rng.choice([2, 3, 0.5, -1.5]))
    call = [
        lambda m, x: number - x,
        lambda m, x: number / x,
        lambda m, x: x * number + number,
        lambda m, x: x**number,
        lambda m, x: abs(number) ** x,
        lambda m, x: -x @ x.T if x.ndim == 2 else -x,
    ][rng.integers(6)]
    return call, [positive(rng, shape_of(rng, axes=2))]


@case
def powers_of_zero(rng):
    x, y = rng.choice(SPECIAL[:4], 6), rng.choice([0.0, 1.0, 2.0, 3.0], 6)
    return lambda m, x, y: m.pow(x, y), [np.abs(x), y]


@case
def clamp(rng):
    low, high = (None if rng.random() < 0.3 else float(rng.choice(SPECIAL)) for _ in range(2))
    if low is None and high is None:
        low = 0.0
    return lambda m, x: m.clamp(x, low, high), [tied(rng, shape_of(rng))]


@case
def where(rng):
    shapes = broadcast_pair(rng)
    condition = rng.random(np.broadcast_shapes(*shapes)) < 0.5
    return (lambda m, x, y: m.where(torch.tensor(condition) if m is THEIRS else condition, x, y)), [
        normal(rng, s) for s in shapes
    ]


def reduction(name, numbers, low=0, **options):
    def make(rng):
        shape = shape_of(rng, low)
        dim, keepdim = some_dims(rng, len(shape), none=name not in ("prod", "logsumexp")), bool(rng.integers(2))
        if name == "prod":
            if not isinstance(dim, int):
                return lambda m, x: m.prod(x), [numbers(rng, shape)]
        elif name == "logsumexp" and dim is None:
            dim = 0
            shape = (3,)
        if dim is None and name in ("amax", "amin"):
            return lambda m, x: getattr(m, name)(x), [numbers(rng, shape)]
        return lambda m, x: getattr(m, name)(x, dim=dim, keepdim=keepdim, **options), [numbers(rng, shape)]

    CASES[", ".join([name, *(f"{k} {v}" for k, v in options.items())])] = make


for _name in ("sum", "mean", "prod", "logsumexp"):
    reduction(_name, normal)
for _name in ("var", "std"):
    for _correction in (0, 1, 2):
        reduction(_name, normal, low=1 + _correction, correction=_correction)
for _order in (2, 1, 3, 0.5, 0, -1, np.inf, -np.inf):
    reduction("vector_norm", normal, low=1, ord=_order)
for _name in ("amax", "amin"):
    reduction(_name, tied, low=1)


@case
def products_of_zeros(rng):
    return lambda m, x: m.prod(x, 1), [tied(rng, (3, int(rng.integers(1, 5))))]


@case
def extremes(rng):
    name, shape = str(rng.choice(["max", "min"])), shape_of(rng, 1, least=1)
    if rng.random() < 0.3:
        return lambda m, x: getattr(m, name)(x), [tied(rng, shape)]
    dim, keepdim = one_dim(rng, len(shape)), bool(rng.integers(2))
    # PyTorch does not say which of equal elements it finds.
    x = rng.permutation(int(np.prod(shape))).reshape(shape) / 4
    return lambda m, x: tuple(getattr(m, name)(x, dim, keepdim)), [x]


@case
def places(rng):
    shape = shape_of(rng, 1, least=1)
    dim = None if rng.random() < 0.3 else one_dim(rng, len(shape))
    x = rng.permutation(int(np.prod(shape))).reshape(shape) / 4
    return lambda m, x: (m.argmax(x, dim), m.argmin(x, dim), x * 1), [x]


@case
def cumsum(rng):
    shape = shape_of(rng, least=1)
    dim = one_dim(rng, len(shape))
    return lambda m, x: m.cumsum(x, dim), [normal(rng, shape)]


@case
def comparisons(rng):
    calls = [
        lambda m, x, y: (x == y, x != y, x < y, x <= y, x > y, x >= y, x * y),
        lambda m, x, y: (m.eq(x, y), m.ne(x, y), m.lt(x, y), m.le(x, y), m.gt(x, y), m.ge(x, y), x * y),
        lambda m, x, y: (
            (x > 0) & (y > 0),
            (x > 0) | ~(y > 0),
            (x > 0) ^ (y > 0),
            (x > 0).any(),
            (y > 0).all(),
            x * y,
        ),
        lambda m, x, y: ((x == y).sum(), (x > y).float(), x.long(), x.bool(), x.isnan(), x * y),
    ]
    return calls[rng.integers(4)], [tied(rng, shape) for shape in broadcast_pair(rng)]


@case
def shapes(rng):
    shape = shape_of(rng, 1, least=1)
    order = tuple(int(i) for i in rng.permutation(len(shape)))
    a, b = one_dim(rng, len(shape)), one_dim(rng, len(shape))
    first, last = sorted((a % len(shape), b % len(shape)))
    calls = [
        lambda m, x: m.permute(x, order),
        lambda m, x: x.permute(*order),
        lambda m, x: m.transpose(x, a, b),
        lambda m, x: m.swapaxes(x, a, b),
        lambda m, x: m.movedim(x, a, b),
        lambda m, x: m.movedim(x, order, tuple(range(len(order)))),
        lambda m, x: m.flatten(x, first, last),
        lambda m, x: m.reshape(x, (-1,)),
        lambda m, x: m.unflatten(m.reshape(x, (-1, 1)), 0, (-1, 1)),
        lambda m, x: m.squeeze(x),
        lambda m, x: m.squeeze(x, a),
        lambda m, x: m.unsqueeze(x, b),
        lambda m, x: m.flip(x, (a,)),
        lambda m, x: x.flip(*order),
        lambda m, x: m.roll(x, a + 1, b),
        lambda m, x: m.roll(x, 3),
        lambda m, x: m.broadcast_to(x, (2, *x.shape)),
        lambda m, x: x.unsqueeze(0).expand(3, *[-1] * len(shape)),
        lambda m, x: x.repeat(2, *[1] * (len(shape) - 1), 2),
        lambda m, x: m.tile(x, (2,)),
        lambda m, x: m.tile(x, (2,) * (len(shape) + 1)),
        lambda m, x: x.clone().contiguous(),
    ]
    return calls[rng.integers(len(calls))], [normal(rng, shape)]


@case
def pieces(rng):
    shape = shape_of(rng, 1, least=1)
    dim = one_dim(rng, len(shape))
    size, cut = int(rng.integers(1, 4)), int(rng.integers(0, shape[dim] + 1))
    calls = [
        lambda m, x: m.split(x, size, dim),
        lambda m, x: m.split(x, [cut, shape[dim] - cut], dim),
        lambda m, x: m.chunk(x, size, dim),
        lambda m, x: m.unbind(x, dim),
        lambda m, x: x[..., 0],
        lambda m, x: x[[0, 0]],
        lambda m, x: x[0],
        lambda m, x: x[None, :1],
    ]
    return calls[rng.integers(len(calls))], [normal(rng, shape)]


@case
def joining(rng):
    shape = shape_of(rng, least=1)
    dim = one_dim(rng, len(shape))
    if rng.random() < 0.5:
        return lambda m, *xs: m.stack(xs, dim), [normal(rng, shape) for _ in range(3)]
    parts = [(*shape[: dim % len(shape)], n, *shape[dim % len(shape) + 1 :]) for n in (2, 0, 1)]
    return lambda m, *xs: m.cat(xs, dim), [normal(rng, part) for part in parts]


@case
def pad_constant(rng):
    shape = shape_of(rng, 2, least=1)
    pad = [int(n) for n in rng.integers(-1, 4, 2 * rng.integers(1, len(shape) + 1))]
    value = float(rng.choice(SPECIAL))
    return lambda m, x: m.pad(x, pad, "constant", value), [normal(rng, shape)]


@case
def pad_around(rng):
    """PyTorch knows these modes for the last one to three axes of inputs with one or two axes before them."""
    axes = int(rng.integers(1, 4))
    shape = (*rng.integers(1, 3, rng.integers(1, 3)), *rng.integers(3, 5, axes))
    mode = str(rng.choice(["reflect", "replicate", "circular"]))
    pad = [int(n) for n in rng.integers(0, 3, 2 * axes)]
    return lambda m, x: m.pad(x, pad, mode), [normal(rng, shape)]


@case
def matmul(rng):
    left, right = [s for s in broadcast_pair(rng)], [int(n) for n in rng.integers(0, 4, 3)]
    n, k, p = right
    shapes = [(*left[0][:2], n, k), (*left[1][:2], k, p)]
    try:
        np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    except ValueError:
        shapes = [(n, k), (k, p)]
    if rng.random() < 0.2:
        shapes[rng.integers(2)] = (k,)
    return lambda m, x, y: m.matmul(x, y), [normal(rng, shape) for shape in shapes]


FORMULAS = (
    ("ij,jk->ik", "ij", "jk"), ("ij,jk", "ij", "jk"), ("ii->i", "ii"), ("ii", "ii"), ("ij->ji", "ij"), ("ij->", "ij"),
    ("bij,bjk,bk->bi", "bij", "bjk", "bk"), ("ij,kl->ijkl", "ij", "kl"), ("ij,kl->ik", "ij", "kl"), ("ba", "ba"),
    ("...ij,...jk->...ik", "aij", "jk"), ("...i,i->...", "abi", "i"), ("iij,ij->j", "iij", "ij"),
    ("i,i,i->i", "i", "i", "i"),
)  # fmt: skip


@case
def einsum(rng):
    equation, *operands = FORMULAS[rng.integers(len(FORMULAS))]
    lengths = {letter: int(rng.integers(1, 4)) for letter in "abijkl"}
    arrays = [normal(rng, [lengths[letter] for letter in operand]) for operand in operands]
    return lambda m, *xs: m.einsum(equation, *xs), arrays


@case
def conversions(rng):
    calls = [
        lambda m, x: x.float() * 2,
        lambda m, x: x.half().double(),
        lambda m, x: x.to(torch.float32 if m is THEIRS else np.float32).to(
            torch.float64 if m is THEIRS else np.float64
        ),
        lambda m, x: (x * x).float().sum(),
    ]
    return calls[rng.integers(4)], [tied(rng, shape_of(rng))]


@case
def mixtures(rng):
    calls = [
        lambda m, x, y: (x - x.mean(0, keepdim=True)) / (x.var(0, correction=0, keepdim=True) + 1e-5).sqrt() * y[0],
        lambda m, x, y: m.cat([x.softmax(1), y.log_softmax(0)], 0).exp().amax(0),
        lambda m, x, y: (m.where((x > y).detach(), x, y * 2) ** 2).sum(1).logsumexp(0),
        lambda m, x, y: m.einsum("ij,kj->ik", x, y).clamp(-1, 1).norm(),
        lambda m, x, y: m.stack(x.unbind(1)).T.cumsum(1)[:, ::2] * y[0, 0],
    ]
    return calls[rng.integers(5)], [normal(rng, (4, 3)), normal(rng, (4, 3))]


def run_ours(call, arrays):
    inputs = [sl.Tensor(a, requires_grad=True) for a in arrays]
    results = call(sl, *inputs)
    results = results if isinstance(results, tuple) else (results,)
    return inputs, [r if isinstance(r, sl.Tensor) else sl.Tensor(r) for r in results]


def run_theirs(call, arrays):
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    results = call(THEIRS, *inputs)
    return inputs, list(results) if isinstance(results, tuple) else [results]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:.*degrees of freedom is <= 0")
def test_values_and_gradients(name):
    rng = np.random.default_rng(sum(map(ord, name)))
    for _ in range(60 if len(name) > 5 else 120):
        call, arrays = CASES[name](rng)
        ours, results = run_ours(call, arrays)
        theirs, expected = run_theirs(call, arrays)
        assert len(results) == len(expected)
        ends, starts, their_ends, their_starts = [], [], [], []
        for result, other in zip(results, expected):
            other_array = other.detach().numpy()
            assert result.dtype == other_array.dtype
            assert result.shape == other_array.shape
            assert result.requires_grad == other.requires_grad
            tolerance = 1e-6 if result.dtype == np.float32 else 1e-11
            np.testing.assert_allclose(result.numpy(), other_array, rtol=tolerance, atol=tolerance)
            if other.requires_grad:
                g = rng.standard_normal(result.shape).astype(result.dtype)
                ends.append(result)
                starts.append(g)
                their_ends.append(other)
                their_starts.append(torch.tensor(g))
        gradients = sl.grad(ends, ours, starts, allow_unused=True)
        references = torch.autograd.grad(their_ends, theirs, their_starts, allow_unused=True)
        for gradient, reference in zip(gradients, references):
            got = 0 if gradient is None else gradient.numpy()
            np.testing.assert_allclose(got, 0 if reference is None else reference.numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "rsqrt", "sin", "sum", "mean", "var", "logsumexp", "prod"])
def test_special_values(name):
    """Where values are infinite or NaN, or gradients are, they are the same ones."""
    for x in ([0.0, 1.0], [-np.inf, -np.inf], [np.inf, 1.0], [np.nan, 1.0], [2.0, 2.0]):
        arguments = (0,) if name in ("logsumexp", "sum", "mean", "var", "prod") else ()
        with np.errstate(all="ignore"):
            ours, theirs = sl.Tensor(x), torch.tensor(x, dtype=torch.float64)
            np.testing.assert_allclose(
                getattr(sl, name)(ours, *arguments).numpy(), getattr(torch, name)(theirs, *arguments)
            )
