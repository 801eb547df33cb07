"""A convolution that does what follows it gives what the modules give one by one, and only where it may."""

from itertools import product

import numpy as np
import pytest

import sevenloops as sl
from sevenloops import backends, nn
from sevenloops.autograd import Tensor
from sevenloops.conv.tolerance import tolerance
from sevenloops.nn import fusion
from sevenloops.nn.models.mobilenet import _InvertedResidual
from sevenloops.nn.models.mobilenet import _Maker as MobileNetMaker
from sevenloops.nn.models.resnet import _Basic, _Bottleneck
from sevenloops.nn.models.resnet import _Maker as ResNetMaker
from tests.helpers import oracle

DTYPES = ("float16", "float32", "float64")
machine_code = pytest.mark.skipif("jit" not in backends.usable(), reason="only machine code does what follows")

LAYERS = {
    "3x3": ((2, 5, 9, 8), {"out_channels": 7, "kernel_size": 3, "padding": 1}),
    "pointwise": ((2, 33, 6, 7), {"out_channels": 19, "kernel_size": 1}),
    "strided": ((1, 3, 11, 12), {"out_channels": 17, "kernel_size": 3, "stride": 2, "padding": ((0, 1), (2, 1))}),
    "dilated": ((2, 4, 9, 9), {"out_channels": 16, "kernel_size": (3, 2), "dilation": 2, "padding": 2}),
    "grouped": ((2, 6, 8, 9), {"out_channels": 9, "kernel_size": 3, "padding": 1, "groups": 3}),
    "depthwise": ((2, 20, 8, 9), {"out_channels": 20, "kernel_size": 3, "padding": 1, "groups": 20}),
    "with a multiplier": ((2, 3, 8, 9), {"out_channels": 6, "kernel_size": 3, "padding": 1, "groups": 3}),
    "same": ((2, 3, 8, 9), {"out_channels": 6, "kernel_size": 4, "padding": "same"}),
}
PATTERNS = ("", "norm", "relu", "norm relu6", "sum", "norm sum", "norm sum relu", "sum relu6", "relu sum relu")


@pytest.fixture
def fused(monkeypatch):
    """Count the calls in which a convolution does what follows."""
    calls = []
    conv2d_and = fusion.conv2d_and

    def counted(x, weight, bias, scale, residual, activation, **parameters):
        calls.append((scale is not None, residual is not None, activation))
        return conv2d_and(x, weight, bias, scale, residual, activation, **parameters)

    monkeypatch.setattr(fusion, "conv2d_and", counted)
    return calls


def make_norm(channels, dtype, rng, **options):
    norm = nn.BatchNorm2d(channels, dtype=dtype, **options)
    norm.running_mean[...] = rng.standard_normal(channels)
    norm.running_var[...] = rng.uniform(0.3, 3, channels)
    for parameter in norm.parameters():
        parameter.data[...] = rng.standard_normal(channels)
    return norm.eval()


def conv_by_definition(conv, x):
    """Return the float64 result, and the magnitude of its terms."""
    x, weight = (np.asarray(a, np.float64) for a in (x, conv.weight.data))
    pads = conv.padding
    if pads == "same":
        pads = [
            oracle.same_pads(*a) for a in zip(x.shape[2:], conv.kernel_size, conv.stride, conv.dilation, strict=True)
        ]
    pads = [(p, p) if isinstance(p, int) else p for p in pads]
    keywords = {"stride": conv.stride, "padding": pads, "dilation": conv.dilation, "groups": conv.groups}
    bias = None if conv.bias is None else conv.bias.data.astype(np.float64)
    return (
        oracle.forward(x, weight, bias, **keywords),
        oracle.forward(np.abs(x), np.abs(weight), None if bias is None else np.abs(bias), **keywords),
    )


def norm_by_definition(norm, y, size):
    columns = (slice(None), None, None)
    scale = 1 / np.sqrt(norm.running_var.astype(np.float64) + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.data
    shift = 0 if norm.bias is None else norm.bias.data.astype(np.float64)[columns]
    mean = norm.running_mean.astype(np.float64)[columns]
    return (y - mean) * scale[columns] + shift, (size + np.abs(mean)) * np.abs(scale)[columns] + np.abs(shift)


def expected(modules, x, residual, activation):
    """Return what the modules say, each by its definition in float64, and the magnitude of what was added up."""
    y, size = x, np.abs(x)
    for module in [*modules, "sum", activation]:
        if isinstance(module, nn.Conv2d):
            y, size = conv_by_definition(module, y)
        elif isinstance(module, nn.BatchNorm2d):
            y, size = norm_by_definition(module, y, size)
        elif module == "sum" and residual is not None:
            y, size = y + residual, size + np.abs(residual)
        elif isinstance(module, nn.ReLU):
            y = np.where(y < 0, 0, y)
        elif isinstance(module, nn.ReLU6):
            y = np.clip(y, 0, 6)
    return y, size


def make(pattern, conv, dtype, rng):
    """Return the modules, whether there is a sum, and the activation after it."""
    activations = {"relu": nn.ReLU, "relu6": nn.ReLU6}
    before, adds, after = pattern.partition("sum")
    modules = [conv]
    for name in before.split():
        modules.append(make_norm(conv.out_channels, dtype, rng) if name == "norm" else activations[name]())
    return modules, bool(adds), activations[after.strip()]() if after.strip() else None


def check(result, wanted, size, dtype, algorithm="direct"):
    assert result.dtype == dtype
    assert result.shape == wanted.shape
    together = algorithm in ("winograd", "auto", "fft")
    known = "winograd" if algorithm == "auto" else algorithm
    bound = tolerance(known, "float32" if dtype == "float16" else dtype) * (size.max() if together else size)
    if dtype == "float16":
        bound = bound + 2e-3 * size  # each module rounds its result where nothing is fused
    error = np.abs(result.astype(np.float64) - wanted)
    assert (error <= 2 * bound).all(), error.max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYERS)
def test_equals_the_definition(name, dtype, fused):
    shape, options = LAYERS[name]
    # All of them for one layer, some for the others: each is a kernel of its own.
    first = list(LAYERS).index(name)
    patterns = PATTERNS if name == "3x3" else [PATTERNS[(first + i) % len(PATTERNS)] for i in (0, 3, 6)]
    for number, (pattern, bias) in enumerate(product(patterns, (False, True))):
        order = "CKF"[number % 3]
        rng = np.random.default_rng(number)
        conv = nn.Conv2d(shape[1], **options, bias=bias, dtype=dtype, rng=number)
        modules, adds, activation = make(pattern, conv, dtype, rng)
        x = (9 * rng.standard_normal(shape)).astype(dtype)  # some results are above 6
        beside = rng.standard_normal(conv(x).shape).astype(dtype) if adds else None
        if order == "K":
            x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        elif order == "F" and adds:
            beside = np.asfortranarray(beside)
        wanted = expected(modules, *(None if a is None else a.astype(np.float64) for a in (x, beside)), activation)
        before = [a.copy() for a in (x, beside) if a is not None]
        with sl.no_grad():
            fused.clear()
            result = fusion.run(modules, x, beside, activation)
            once = len(fused)
            with sl.use_backend("numpy"):
                plain = fusion.run(modules, Tensor(x), beside, activation)
            assert len(fused) == once
        does_more = len(modules) > 1 or adds or activation is not None
        assert once == (1 if does_more and "jit" in backends.usable() else 0)
        assert type(result) is type(plain) is Tensor
        assert not result.requires_grad
        check(result.data, *wanted, dtype, "auto")
        check(plain.data, *wanted, dtype, "auto")
        for array, same in zip([a for a in (x, beside) if a is not None], before, strict=True):
            np.testing.assert_array_equal(array, same)


@machine_code
@pytest.mark.parametrize("algorithm", sl.algorithms())
def test_every_algorithm_does_it(algorithm, fused):
    cases = [("relu", "float16"), ("norm sum relu", "float32"), ("sum relu6", "float32"), ("norm", "float64")]
    for number, (pattern, dtype) in enumerate(cases):
        rng = np.random.default_rng(number)
        conv = nn.Conv2d(6, 20, 3, padding=1, algorithm=algorithm, dtype=dtype, rng=number)
        modules, adds, activation = make(pattern, conv, dtype, rng)
        x = (9 * rng.standard_normal((2, 6, 9, 10))).astype(dtype)
        beside = rng.standard_normal((2, 20, 9, 10)).astype(dtype) if adds else None
        wanted = expected(modules, *(None if a is None else a.astype(np.float64) for a in (x, beside)), activation)
        with sl.no_grad():
            check(fusion.run(modules, x, beside, activation).data, *wanted, dtype, algorithm)
    assert len(fused) == len(cases)


@machine_code
@pytest.mark.parametrize("options", [{"affine": False}, {"bias": False}, {"eps": 0.5}], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_of_every_kind(options, dtype, fused):
    rng = np.random.default_rng(0)
    modules = [nn.Conv2d(3, 5, 3, dtype=dtype, rng=0), make_norm(5, dtype, rng, **options), nn.ReLU(inplace=True)]
    x = rng.standard_normal((2, 3, 6, 7)).astype(dtype)
    with sl.no_grad():
        result = nn.Sequential(*modules).eval()(x)
    check(result.data, *expected(modules, x.astype(np.float64), None, None), dtype, "auto")
    assert fused == [(True, False, "relu")]


def test_a_norm_is_worked_out_as_exactly_as_it_does_it():
    """In float16 a variance of 1e-7 and an eps of 1e-9 would be zero, and their quotients infinite."""
    x = np.full((1, 1, 4, 4), 1e-3, np.float16)
    conv = nn.Conv2d(1, 1, 1, bias=False, dtype="float16")
    conv.weight.data[...] = 1
    norm = nn.BatchNorm2d(1, eps=1e-9, dtype="float16").eval()
    norm.running_mean[...] = 1e-3
    norm.running_var[...] = 1e-7
    norm.bias.data[...] = 2
    for variance, mean in ((1e-7, 1e-3), (0, 1e-3), (1e-7, 10)):
        norm.running_var[...], norm.running_mean[...] = variance, mean
        with sl.no_grad():
            np.testing.assert_allclose(nn.Sequential(conv, norm)(x).data, norm(conv(x)).data, rtol=2e-3)


@machine_code
def test_parameters_are_read_at_every_call():
    rng = np.random.default_rng(0)
    modules = [nn.Conv2d(3, 5, 3, dtype="float64", rng=0), make_norm(5, "float64", rng), nn.ReLU()]
    x = rng.standard_normal((2, 3, 6, 7))
    model = nn.Sequential(*modules).eval()
    for _ in range(2):
        with sl.no_grad():
            check(model(x).data, *expected(modules, x, None, None), "float64", "auto")
        for array in (*(p.data for p in model.parameters()), modules[1].running_mean, modules[1].running_var):
            array += 0.5


# --- what is not fused -------------------------------------------------------------------------------------------


class OtherConv(nn.Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


class OtherNorm(nn.BatchNorm2d):
    def forward(self, x):
        return 2 * super().forward(x)


class OtherReLU(nn.ReLU):
    def forward(self, x):
        return 2 * super().forward(x)


def one_by_one(modules, x):
    for module in modules:
        x = module(x)
    return x


CONV = {"in_channels": 3, "out_channels": 5, "kernel_size": 3}
NOT_FUSED = {
    "a subclass of Conv2d": lambda: [OtherConv(**CONV), nn.ReLU()],
    "padding of another kind": lambda: [nn.Conv2d(**CONV, padding=2, padding_mode="reflect"), nn.ReLU()],
    "a subclass of BatchNorm2d": lambda: [nn.Conv2d(**CONV), OtherNorm(5)],
    "a subclass of ReLU": lambda: [nn.Conv2d(**CONV), OtherReLU()],
    "no running statistics": lambda: [nn.Conv2d(**CONV), nn.BatchNorm2d(5, track_running_stats=False)],
    "another activation": lambda: [nn.Conv2d(**CONV), nn.LeakyReLU()],
    "another norm": lambda: [nn.Conv2d(**CONV), nn.GroupNorm(5, 5)],
    "nothing after it": lambda: [nn.Conv2d(**CONV)],
    "something between": lambda: [nn.Conv2d(**CONV), nn.Identity(), nn.ReLU()],
    "the other way round": lambda: [nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(**CONV)],
}


@pytest.mark.parametrize("name", NOT_FUSED)
def test_what_is_not_fused(name, fused):
    model = nn.Sequential(*NOT_FUSED[name]()).eval()
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7)).astype(np.float32)
    with sl.no_grad():
        np.testing.assert_array_equal(model(x).data, one_by_one(model, x).data)
    assert fused == []


def test_not_where_gradients_are_recorded(fused):
    model = nn.Sequential(nn.Conv2d(**CONV), nn.BatchNorm2d(5), nn.ReLU()).eval()
    y = model(np.ones((1, 3, 6, 7), np.float32))
    assert fused == []
    y.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_a_norm_in_training_takes_the_statistics_of_the_batch(fused):
    rng = np.random.default_rng(0)
    conv, norm = nn.Conv2d(**CONV, dtype="float64"), make_norm(5, "float64", rng).train()
    model = nn.Sequential(conv, norm, nn.ReLU())
    x = rng.standard_normal((2, 3, 6, 7))
    before = norm.running_mean.copy()
    with sl.no_grad():
        y = conv(x).data
        result = model(x).data
    moments = y.mean((0, 2, 3), keepdims=True), y.var((0, 2, 3), keepdims=True)
    wanted = (y - moments[0]) / np.sqrt(moments[1] + norm.eps)
    wanted = wanted * norm.weight.data[:, None, None] + norm.bias.data[:, None, None]
    np.testing.assert_allclose(result, np.maximum(wanted, 0), atol=1e-12)
    np.testing.assert_allclose(norm.running_mean, 0.9 * before + 0.1 * moments[0].ravel(), atol=1e-12)
    assert norm.num_batches_tracked == 1
    assert fused == []


@machine_code
def test_a_norm_without_its_statistics_in_another_dtype_is_called(fused):
    conv, norm = nn.Conv2d(**CONV), make_norm(5, "float64", np.random.default_rng(0), affine=False)
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7)).astype(np.float32)
    with sl.no_grad():
        np.testing.assert_array_equal(nn.Sequential(conv, norm).eval()(x).data, norm(conv(x)).data)
    assert fused == []


@pytest.mark.parametrize("which", ["norm.weight", "norm.bias", "conv.bias"])
def test_parameters_of_another_dtype_are_refused_as_by_the_module(which):
    conv, norm = nn.Conv2d(**CONV), nn.BatchNorm2d(5)
    owner = {"norm": norm, "conv": conv}[which.split(".")[0]]
    setattr(owner, which.split(".")[1], nn.Parameter(np.ones(5)))
    with sl.no_grad(), pytest.raises(TypeError, match="one dtype"):
        nn.Sequential(conv, norm).eval()(np.ones((1, 3, 6, 7), np.float32))


@pytest.mark.parametrize("channels", [3, 7])
def test_a_norm_of_other_channels_is_an_error(channels):
    with sl.no_grad(), pytest.raises(sl.errors.ShapeError, match=f"{channels} channels"):
        nn.Sequential(nn.Conv2d(**CONV), nn.BatchNorm2d(channels)).eval()(np.ones((1, 3, 6, 7), np.float32))


HOOKS = {
    "pre": lambda module, called: module.register_forward_pre_hook(lambda m, args: called.append("pre")),
    "forward": lambda module, called: module.register_forward_hook(lambda m, args, y: called.append("forward")),
    "changing": lambda module, called: module.register_forward_hook(lambda m, args, y: called.append("!") or 3 * y),
}


@pytest.mark.parametrize("kind", HOOKS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_hooks_are_called_where_they_are(place, kind, fused):
    model = nn.Sequential(nn.Conv2d(**CONV), nn.BatchNorm2d(5), nn.ReLU6()).eval()
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7)).astype(np.float32)
    called = []
    with sl.no_grad():
        plain = model(x).data
        fused.clear()
        with HOOKS[kind](model[place], called):
            hooked = model(x).data
            wanted = one_by_one(model, x).data
        assert len(called) == 2
        assert [scale for scale, _, _ in fused] == {0: [], 1: [], 2: [True]}[place] * ("jit" in backends.usable())
        np.testing.assert_allclose(hooked, wanted, atol=1e-5)
        np.testing.assert_array_equal(model(x).data, plain)
    assert (kind == "changing") == (not np.allclose(plain, wanted, atol=1e-5))


def test_hooks_on_the_last_activation(fused):
    called, relu, conv = [], nn.ReLU(), nn.Conv2d(**CONV)
    x = np.ones((1, 3, 6, 7), np.float32)
    with sl.no_grad(), HOOKS["forward"](relu, called):
        fusion.run([conv], x, conv(x).data, relu)
    assert called == ["forward"]
    assert fused == []


def test_a_last_module_of_another_class():
    conv = nn.Conv2d(**CONV)
    x = np.random.default_rng(0).standard_normal((1, 3, 6, 7)).astype(np.float32)
    with sl.no_grad():
        y = conv(x).data
        np.testing.assert_allclose(fusion.run([conv], x, y, nn.Tanh()).data, np.tanh(2 * y), atol=1e-5)
        np.testing.assert_allclose(fusion.run([conv], x, y, OtherReLU()).data, 2 * np.maximum(2 * y, 0), atol=1e-5)
        np.testing.assert_array_equal(fusion.run([], y, y, nn.ReLU()), np.maximum(2 * y, 0))
        assert fusion.run([], x) is x


# --- shapes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "shape", [(1, 5, 4, 6), (3, 5, 1, 1), (5, 1, 1), (1,), (), (3, 1, 4, 6), (2, 3, 5, 4, 6), (3, 5, 4, 6)], ids=str
)
def test_a_shortcut_is_added_as_any_array(shape, last):
    rng = np.random.default_rng(0)
    for batch in (3, 1):
        x, beside = (rng.standard_normal(s).astype(np.float32) for s in ((batch, 3, 6, 8), shape))
        if last and len(shape) > 3:
            beside = np.moveaxis(np.ascontiguousarray(np.moveaxis(beside, -3, -1)), -1, -3)
        conv = nn.Conv2d(**CONV)
        with sl.no_grad():
            wanted = np.maximum(conv(x).data + beside, 0)
            result = fusion.run([conv], x, beside, nn.ReLU()).data
            tensors = fusion.run([conv], Tensor(x), Tensor(beside), nn.ReLU()).data
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, atol=1e-5)
        np.testing.assert_array_equal(result, tensors)


def test_a_shortcut_that_is_no_array_or_of_another_dtype_is_treated_as_in_a_sum():
    conv, x = nn.Conv2d(**CONV), np.ones((1, 3, 3, 3), np.float32)
    with sl.no_grad():
        y = conv(x)
        for beside in (2.0, np.ones(y.shape, ">f4"), np.ones(y.shape), y.data.tolist()):
            outcomes = []
            for compute in (lambda b: y + b, lambda b: fusion.run([conv], x, b, None)):
                try:
                    outcomes.append(compute(beside).data)
                except TypeError as error:
                    outcomes.append(str(error))
            if isinstance(outcomes[0], str):
                assert outcomes[0] == outcomes[1]
            else:
                np.testing.assert_allclose(*outcomes, atol=1e-6)
                assert outcomes[0].dtype == outcomes[1].dtype


def test_an_image_without_a_batch_axis():
    conv = nn.Conv2d(**CONV)
    x, beside = np.random.default_rng(0).standard_normal((2, 3, 6, 7)).astype(np.float32)[0], np.ones(1, np.float32)
    with sl.no_grad():
        y = conv(x).data
        assert y.ndim == 3
        np.testing.assert_allclose(nn.Sequential(conv, nn.ReLU())(x).data, np.maximum(y, 0), atol=1e-6)
        for shortcut in (y, beside):
            result = fusion.run([conv], x, shortcut, nn.ReLU6()).data
            np.testing.assert_allclose(result, np.clip(y + shortcut, 0, 6), atol=1e-5)
        with pytest.raises(sl.errors.ShapeError, match="takes inputs of 4 axes"):  # in both ways
            nn.Sequential(conv, nn.BatchNorm2d(5)).eval()(x)


def test_no_image_at_all():
    model = nn.Sequential(nn.Conv2d(**CONV), nn.BatchNorm2d(5), nn.ReLU()).eval()
    with sl.no_grad():
        assert model(np.zeros((0, 3, 6, 7), np.float32)).shape == (0, 5, 4, 5)


@pytest.mark.parametrize("algorithm", ["auto", "winograd", "im2col"])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU6()])
def test_what_is_not_a_number_stays_that(activation, algorithm):
    x = np.ones((1, 3, 12, 12), np.float32)
    x[0, 0, 2, 2] = np.nan
    x[0, 1, 9, 9] = np.inf
    conv = nn.Conv2d(3, 20, 3, padding=1, algorithm=algorithm)
    with sl.no_grad(), np.errstate(all="ignore"):
        with_all = nn.Sequential(conv, make_norm(20, "float32", np.random.default_rng(0)), activation).eval()
        for model in (nn.Sequential(conv, activation), with_all):
            y = model(x).data
            plain = one_by_one(model, x).data
            assert np.isnan(y[..., 1:4, 1:4]).all()
            np.testing.assert_array_equal(np.isnan(y), np.isnan(plain))
            assert not np.isinf(y).any() or isinstance(activation, nn.ReLU)


# --- where it is used --------------------------------------------------------------------------------------------


def test_nested_sequences(fused):
    rng = np.random.default_rng(0)
    inner = nn.Sequential(nn.Conv2d(3, 4, 3, rng=0), make_norm(4, "float32", rng), nn.ReLU())
    tail = nn.Conv2d(4, 4, 1, rng=1)
    model = nn.Sequential(inner, nn.Sequential(tail), nn.ReLU6(), nn.Sequential()).eval()
    x = rng.standard_normal((2, 3, 6, 7)).astype(np.float32)
    with sl.no_grad():
        result = model(x).data
        assert fused == [(True, False, "relu")] * ("jit" in backends.usable())
        np.testing.assert_allclose(result, one_by_one((*inner, tail, nn.ReLU6()), x).data, atol=1e-5)
        called = []
        with HOOKS["forward"](inner, called):
            model(x)
        assert called == ["forward"]


def blocks(dtype):
    resnet = ResNetMaker("auto", dtype, np.random.default_rng(0))
    mobile = MobileNetMaker("auto", dtype, np.random.default_rng(0))
    return {
        "basic": _Basic(resnet, 8, 8, 1),
        "basic, shorter": _Basic(resnet, 8, 16, 2),
        "bottleneck": _Bottleneck(resnet, 32, 8, 1),
        "bottleneck, wider": _Bottleneck(resnet, 8, 8, 1),
        "inverted": _InvertedResidual(mobile, 8, 8, 1, 6),
        "inverted, shorter": _InvertedResidual(mobile, 8, 12, 2, 6),
        "inverted, narrow": _InvertedResidual(mobile, 8, 8, 1, 1),
    }


def block_by_definition(block, x):
    """Call the parts of a block one by one, where gradients are recorded, so that nothing is fused."""
    if isinstance(block, _InvertedResidual):
        parts = [part for part in block.modules() if not list(part.modules())[1:]]
        y = one_by_one(parts, x)
        return y + x if block.is_residual else y
    y, last = x, 3 if isinstance(block, _Bottleneck) else 2
    for number in range(1, last + 1):
        y = getattr(block, f"bn{number}")(getattr(block, f"conv{number}")(y))
        y = y if number == last else sl.relu(y)
    return sl.relu(y + (x if block.downsample is None else one_by_one(block.downsample, x)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", blocks("float32"))
def test_blocks(name, dtype, fused):
    block, rng = blocks(dtype)[name].eval(), np.random.default_rng(1)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean[...] = rng.standard_normal(module.num_features)
            module.running_var[...] = rng.uniform(0.5, 2, module.num_features)
            module.weight.data[...] = rng.uniform(0.5, 1.5, module.num_features)
            module.bias.data[...] = rng.standard_normal(module.num_features)
    x = rng.standard_normal((2, block.conv1.in_channels if hasattr(block, "conv1") else 8, 10, 11)).astype(dtype)
    wide = blocks("float64")[name].eval()
    state = block.state_dict()
    wide.load_state_dict({key: state[key].astype(value.dtype) for key, value in wide.state_dict().items()})
    plain = block_by_definition(wide, x.astype(np.float64)).data
    assert fused == []
    with sl.no_grad():
        result = block(x).data
    if "jit" in backends.usable():
        convolutions = sum(isinstance(module, nn.Conv2d) for module in block.modules())
        assert len(fused) == convolutions
    bound = {"float16": 2e-2, "float32": 2e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(result, plain, atol=bound * np.abs(plain).max())
    assert result.dtype == dtype


def test_hooks_inside_of_blocks_are_called():
    for name in ("basic, shorter", "bottleneck", "inverted"):
        block = blocks("float32")[name].eval()
        x = np.ones((1, block.conv1.in_channels if hasattr(block, "conv1") else 8, 6, 6), np.float32)
        with sl.no_grad():
            plain = block(x).data
            for part in list(block.modules())[1:]:
                called = []
                with HOOKS["forward"](part, called):
                    np.testing.assert_allclose(block(x).data, plain, atol=1e-4)
                assert called, (name, part)


def test_a_block_with_another_branch():
    block = blocks("float32")["inverted"].eval()
    block.conv = nn.Identity()
    x = np.ones((1, 8, 6, 6), np.float32)
    with sl.no_grad():
        np.testing.assert_array_equal(block(x), 2 * x)
