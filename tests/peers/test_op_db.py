"""PyTorch's own sample inputs for every function that both libraries have: results and gradients, in float64.

PyTorch tests its operations on samples that it keeps in ``op_db``. A function here is compared on all of them as soon
as it has the name of one there, as a function or as a method of Tensor: listed is only what differs on purpose.
"""

import functools
import inspect
import operator
import warnings

import numpy as np
import pytest

import sevenloops as sl

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which op_db imports

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

RTOL = 1e-9  # of float64 results and gradients, relative to their largest value
ATOL = 1e-11  # of those that would be 0 without rounding

# --- which function is which --------------------------------------------------------------------------------------


def scaled(function):
    """Return torch.add or torch.sub, whose second operand may be multiplied by `alpha`."""
    return lambda a, b, *, alpha=1: function(a, b if alpha == 1 else b * alpha)


def batch_statistics(function):
    """Return a norm that keeps running statistics, which are arrays here: they are written to."""

    @functools.wraps(function)
    def call(x, running_mean=None, running_var=None, *args, **kwargs):
        mean, var = (None if r is None else r.numpy() for r in (running_mean, running_var))
        return function(x, mean, var, *args, **kwargs)

    return call


#: Operations that are operators here, or take something otherwise.
ADAPTERS = {
    "add": scaled(operator.add),
    "sub": scaled(operator.sub),
    "mul": operator.mul,
    "div": operator.truediv,
    "true_divide": operator.truediv,
    "neg": operator.neg,
    "rsub": lambda a, b, *, alpha=1: b - (a if alpha == 1 else a * alpha),
    "__radd__": lambda a, b: b + a,
    "__rsub__": lambda a, b: b - a,
    "__rmul__": lambda a, b: b * a,
    "__rdiv__": lambda a, b: b / a,
    "__rpow__": lambda a, b: sl.pow(b, a),
    "where": lambda a, condition, b: sl.where(condition, a, b),
    "einsum": lambda operands, equation: sl.einsum(equation, *operands),
    "__rmatmul__": lambda a, b: b @ a,
    "__getitem__": operator.getitem,
    "T": lambda a: a.T,
    "mm": operator.matmul,
    "bmm": operator.matmul,
    "mv": operator.matmul,
    "dot": operator.matmul,
}

#: Operations of a name that both have, but which are offered only there, and why.
THEIRS = {
    "div-floor_rounding": "no slope but 0: use numpy.floor_divide",
    "div-trunc_rounding": "no slope but 0: use numpy.trunc",
    # With places named twice, where PyTorch gives the gradient to all values: -grad has the samples without.
    **{f"nn.functional.max_unpool{axes}d": "other gradients of values that are overwritten" for axes in (1, 2, 3)},
    **{
        f"nn.functional.max_unpool{axes}d": "indices that come twice; those that do not are the samples called grad"
        for axes in (1, 2, 3)
    },
    "norm-nuc": "needs a singular value decomposition",
    "std-unbiased": "an older spelling of correction=",
    "to": "devices and memory formats",
    "var-unbiased": "an older spelling of correction=",
}

#: Samples that this library refuses on purpose: a phrase of its message, and why.
REFUSED = {
    # A list of one size or of none, instead of a number or one size per axis.
    "nn.functional.avg_pool2d": [
        "must have one entry per spatial axis",
        "must be one integer or one per spatial axis",
    ],
    # Empty arrays of one axis between matrices.
    "cat": ["dim must be an axis of the input, from -1 to 0"],
    "std": ["unexpected keyword argument 'unbiased'"],
    "var": ["unexpected keyword argument 'unbiased'"],
    **{name: ["unexpected keyword argument 'memory_format'"] for name in ("double", "float", "half")},
    "clamp": ["must be a float16, float32 or float64 array, but its dtype is int32"],
    # Values at the ends of an axis that has been cut to nothing.
    "nn.functional.pad-replicate_negative": ["must not exceed 0 for an axis of 0"],
    # An array without a batch of channels.
    "nn.functional.batch_norm": ["input must be (N, C, *spatial)"],
    "nn.functional.batch_norm-without_cudnn": ["input must be (N, C, *spatial)"],
}

#: Where PyTorch itself is less exact, and why.
TOLERANCES = {"nn.functional.hardsigmoid": 1e-7}  # its slope is 1/6 in float32


def is_random(op, sample):
    """Whether a sample asks for a mask that each library draws for itself."""
    if "dropout" not in op.name:
        return False
    return sample.kwargs.get("training", True) and 0 < sample.kwargs.get("p", 0.5) < 1


def ours(name):
    """Return this library's function of a name in op_db, or None."""
    if name in ADAPTERS:
        return ADAPTERS[name]
    name = name.removeprefix("nn.functional.")
    function = getattr(sl, name, None)
    if name in sl.__all__ and inspect.isfunction(function):
        return function
    method = getattr(sl.Tensor, name, None)
    if not name.startswith("_") and inspect.isfunction(method):
        return method
    return None


def title(op):
    return f"{op.name}-{op.variant_test_name}" if op.variant_test_name else op.name


SHARED = [op for op in op_db if title(op) not in THEIRS and ours(op.name) is not None and op.supports_autograd]


# --- from there to here -------------------------------------------------------------------------------------------


def translate(value, leaves):
    """Return what this library takes for an argument of PyTorch's; pairs of leaves go into `leaves`."""
    if isinstance(value, torch.Tensor):
        array = value.detach().numpy().copy()
        tensor = sl.Tensor(array, requires_grad=value.requires_grad)
        if value.requires_grad:
            leaves.append((value, tensor))
        return tensor
    if isinstance(value, torch.dtype):
        return np.dtype(str(value).removeprefix("torch."))
    if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
        return type(value)(translate(entry, leaves) for entry in value)
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, dict):
        return {name: translate(entry, leaves) for name, entry in value.items()}
    return value


def outputs(result):
    """Return the tensors and arrays of a result, in their order."""
    if isinstance(result, (tuple, list)):
        return [each for part in result for each in outputs(part)]
    return [result]


def assert_close(actual, expected, what, rtol):
    actual, expected = np.asarray(actual), expected.detach().resolve_conj().numpy()
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, and there {expected.shape}"
    if expected.dtype.kind in "iub":
        np.testing.assert_array_equal(actual, expected, err_msg=what)
        return
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * scale + ATOL, err_msg=what)


def compare(function, op, sample, rng):
    """Compare a function on one sample: its results, and the gradients of all its inputs."""
    rtol = TOLERANCES.get(title(op), RTOL)
    leaves = []
    arguments = [translate(value, leaves) for value in (sample.input, *sample.args)]
    options = translate(sample.kwargs, leaves)
    here = outputs(function(*arguments, **options))
    there = outputs(op(sample.input, *sample.args, **sample.kwargs))
    assert len(here) == len(there)
    for number, (a, b) in enumerate(zip(here, there)):
        assert_close(a, b, f"result {number}", rtol)
    pairs = [(a, b) for a, b in zip(here, there) if isinstance(b, torch.Tensor) and b.requires_grad]
    if not pairs or not leaves:
        return
    total_here, total_there = 0.0, 0.0
    for a, b in pairs:
        g = rng.standard_normal(b.shape).astype(a.dtype)
        total_here = (a * g).sum() + total_here
        total_there = (b * torch.from_numpy(np.array(g))).sum() + total_there
    total_here.backward()
    wanted = torch.autograd.grad(total_there, [leaf for leaf, _ in leaves], allow_unused=True)
    for number, (gradient, (leaf, tensor)) in enumerate(zip(wanted, leaves)):
        expected = torch.zeros_like(leaf) if gradient is None else gradient
        actual = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad
        assert_close(actual, expected, f"gradient of input {number}", rtol)


@pytest.mark.parametrize("op", SHARED, ids=title)
def test_results_and_gradients_are_pytorchs(op):
    function = ours(op.name)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    compared, refused = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=True))
    for number, sample in enumerate(samples):
        if is_random(op, sample):
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", UserWarning)  # PyTorch's
            try:
                compare(function, op, sample, rng)
            except Exception as error:
                reasons = [phrase for phrase in REFUSED.get(title(op), ()) if phrase in str(error)]
                if not reasons:
                    error.add_note(f"sample {number} of {title(op)}: {sample.summary()}"[:2000])
                    raise
                refused += reasons
            else:
                compared += 1
    assert compared, f"no sample of {title(op)} was compared: {refused}"
