"""Tests of the tests: each mistake below is made on purpose, and the check that is there for it must fail."""

from dataclasses import replace

import numpy as np
import pytest

from sevenloops import arrays
from sevenloops.conv import execute, select
from sevenloops.conv.problem import Epilogue
from sevenloops.errors import ShapeError
from sevenloops.functional import convolution, convolution_call
from sevenloops.geometry import ConvGeometry, arguments, axis
from tests import test_anchors as anchors
from tests.conv import test_algorithms as algorithms
from tests.conv import test_workspaces as workspaces
from tests.functional import test_conv_transpose as transposed
from tests.functional import test_convolution as contract
from tests.functional import test_plans as plans
from tests.helpers import checks, plants
from tests.helpers.cases import seeded_cases

ALGORITHM = "im2col-lazy"  # what "auto" takes most often
FORWARD, INPUT_GRAD, WEIGHT_GRAD = checks.DIRECTIONS


def right_on_generated_cases(direction, algorithm=ALGORITHM, dtype="float64"):
    """What the tests with Hypothesis do, on the same examples every time and without shrinking."""
    for case in seeded_cases(60, seed=99):
        checks.assert_right(case, direction, algorithm, dtype)


# --- plants that need more than a line ------------------------------------------------------------------------------


def forgetful_select():
    """A cache of plans whose key is too short: the shapes, without the parameters."""
    known = {}

    def wrong(problem, algorithm):
        g = problem.geometry
        key = problem.direction, algorithm, problem.dtype, g.x_shape, g.weight_shape, g.out_shape
        return known.setdefault(key, select.select(problem, algorithm))

    return plants.patched((execute, "select", wrong))


def same_padding_of_the_batch():
    right = ConvGeometry.forward.__func__

    def wrong(cls, x_shape, weight_shape, *, padding=0, stride=1, dilation=1, **rest):
        if padding == "same":
            steps = [arguments.per_axis(name, v, 2) for name, v in (("stride", stride), ("dilation", dilation))]
            padding = tuple(map(axis.same_padding, x_shape[:2], weight_shape[2:], *steps))
        return right(cls, x_shape, weight_shape, padding=padding, stride=stride, dilation=dilation, **rest)

    return plants.patched((ConvGeometry, "forward", classmethod(wrong)))


def integer_like(refuse):
    """Validation of integers by other means: ``refuse(name, value, minimum)`` raises."""
    right = arguments.integer

    def wrong(name, value, minimum):
        try:
            return right(name, value, minimum)
        except (TypeError, ValueError):
            refuse(name, value, minimum)
            raise

    return plants.geometry_is(integer=wrong)


def by_assert(name, value, minimum):
    raise AssertionError


def two_arguments(name, value, minimum):
    raise ShapeError(f"{name} must be at least {minimum}, but got", value)


def any_type(name, value, minimum):
    raise ValueError(f"{name} must be an integer of at least {minimum}, but got {value!r}.")


def no_lists():
    right = arrays.float_array

    def wrong(name, value):
        if isinstance(value, list):
            raise TypeError("no lists")
        return right(name, value)

    return plants.patched((arrays, "float_array", wrong))


def gradients_are_not_checked_at_the_call():
    """The passes of a gradient are planned as if every algorithm could do them."""
    right = convolution_call.Options.plan

    def wrong(self, form, geometry, direction, array):
        options = self if direction == FORWARD else convolution_call.Options("loops", None)
        return right(options, form, geometry, direction, array)

    return plants.patched((convolution_call.Options, "plan", wrong))


def nothing_is_compared():
    def computed_but_never_asserted(result, expected, magnitude, algorithm, dtype):
        return np.all(np.abs(result - expected) <= 1e-6)

    return plants.patched((anchors, "assert_close", computed_but_never_asserted))


def absolute_tolerance():
    def wrong(result, expected, magnitude, algorithm, dtype):
        assert result.shape == expected.shape
        assert np.all(np.abs(result - expected) <= 1e-6)

    return plants.patched((anchors, "assert_close", wrong))


def forget_output_padding():
    right = ConvGeometry.transposed.__func__

    def wrong(cls, *shapes, output_padding=0, **rest):
        return right(cls, *shapes, **rest)

    return plants.patched((ConvGeometry, "transposed", classmethod(wrong)))


def bias_after_rounding():
    right = execute.input_grad

    def wrong(grad_output, weight, chosen, bias=None):
        y = right(grad_output, weight, chosen)
        return y if bias is None else y + bias.reshape(-1, *(1,) * (y.ndim - 2))

    return plants.patched((execute, "input_grad", wrong))


def half_the_precision():
    """float16 stays float16 on its way, in an algorithm that can do that."""
    return plants.patched(
        (execute, "compute_dtype", lambda dtype: dtype),
        (execute, "select", lambda problem, _: select.select(problem, "im2col")),
    )


def always_channels_first():
    right = execute.allocate
    return plants.patched((execute, "allocate", lambda shape, dtype, channels_last: right(shape, dtype, False)))


def bias_twice():
    right = Epilogue.apply

    def wrong(self, *arguments):
        right(self, *arguments)
        right(self, *arguments)

    return plants.patched((Epilogue, "apply", wrong))


def plans_are_not_kept():
    def wrong(problem, algorithm):
        return replace(select.select(problem, algorithm))

    return plants.patched((execute, "select", wrong))


def odd_element_in_front():
    right = axis.same_padding
    return plants.geometry_is(same_padding=lambda *window: right(*window)[::-1])


def memory_nobody_has_written(direction):
    with pytest.MonkeyPatch.context() as patch:
        algorithms.test_memory_nobody_has_written_is_not_read(ALGORITHM, direction, patch)


def in_kernel(direction, wrap, algorithm=ALGORITHM):
    return plants.kernel(algorithm, direction, wrap)


def flip(array):
    return array[(..., *(slice(None, None, -1),) * (array.ndim - 2))]


def deal(x, g):
    """Channels dealt to the groups one by one instead of in blocks."""
    size = x.shape[2:]
    return x.reshape(len(x), g.group_in, g.groups, *size).swapaxes(1, 2).reshape(x.shape)


def first_group(weight, g):
    return np.concatenate([weight[: g.group_out]] * g.groups)


def first_image(grad):
    return np.concatenate([grad[:1], np.zeros_like(grad[1:])])


PLANTS = {
    # name: (the mistake, the check that is there for it)
    "col2im crops batch and channels": (
        lambda: in_kernel(INPUT_GRAD, plants.crop_batch_and_channels),
        lambda: anchors.test_col2im_crops_height_and_width(ALGORITHM),
    ),
    "the stride is applied twice": (
        lambda: in_kernel(FORWARD, plants.with_geometry(stride=lambda g: tuple(s * s for s in g.stride)), "loops"),
        lambda: anchors.test_the_stride_is_applied_once("loops"),
    ),
    "one loop variable for both axes": (
        lambda: in_kernel(FORWARD, plants.with_result(plants.only_the_diagonal)),
        lambda: anchors.test_each_axis_has_its_own_index(ALGORITHM, FORWARD),
    ),
    "height and width are exchanged": (
        lambda: in_kernel(FORWARD, plants.with_operands(lambda x, w, g: (x.swapaxes(2, 3), w)), "loops"),
        lambda: anchors.test_height_and_width_are_not_exchanged("loops", FORWARD),
    ),
    "the strides of the axes are exchanged": (
        lambda: in_kernel(WEIGHT_GRAD, plants.with_geometry(stride=lambda g: g.stride[::-1]), "loops"),
        lambda: right_on_generated_cases(WEIGHT_GRAD, "loops"),
    ),
    "windows end one element behind the array": (
        lambda: in_kernel(FORWARD, plants.one_step_too_far),
        lambda: anchors.test_height_and_width_are_not_exchanged(ALGORITHM, FORWARD),
    ),
    "padding is off by one": (
        lambda: in_kernel(
            FORWARD, plants.with_geometry(padding=lambda g: tuple((b + 1, a - 1) for b, a in g.padding)), "loops"
        ),
        lambda: right_on_generated_cases(FORWARD, "loops"),
    ),
    "padding is the same on both sides": (
        lambda: plants.geometry_is(_pair=lambda name, value: (np.max(value), np.max(value))),
        lambda: anchors.test_both_sides_of_a_padding_count(ALGORITHM, FORWARD),
    ),
    "padding is not applied": (
        lambda: in_kernel(
            FORWARD, plants.with_geometry(padding=lambda g: tuple((0, b + a) for b, a in g.padding)), "loops"
        ),
        lambda: anchors.test_both_sides_of_a_padding_count("loops", FORWARD),
    ),
    '"same" looks at the batch': (same_padding_of_the_batch, anchors.test_same_padding_is_that_of_the_spatial_axes),
    '"same" has its odd element in front': (
        odd_element_in_front,
        anchors.test_same_padding_has_its_odd_element_at_the_end,
    ),
    "a kernel covers k times d": (
        lambda: plants.geometry_is(effective_kernel=lambda kernel, dilation: kernel * dilation),
        anchors.test_a_dilated_kernel_covers_k_minus_1_times_d_plus_1,
    ),
    "the dilation is forgotten": (
        lambda: in_kernel(INPUT_GRAD, plants.with_geometry(dilation=lambda g: (1,) * g.axes), "loops"),
        lambda: right_on_generated_cases(INPUT_GRAD, "loops"),
    ),
    "the kernel is flipped": (
        lambda: in_kernel(FORWARD, plants.with_operands(lambda x, w, g: (x, flip(w)))),
        lambda: anchors.test_the_kernel_is_not_flipped(ALGORITHM),
    ),
    "the kernel is flipped in the gradient": (
        lambda: in_kernel(INPUT_GRAD, plants.with_operands(lambda grad, w, g: (grad, flip(w)))),
        lambda: right_on_generated_cases(INPUT_GRAD),
    ),
    "channels are dealt to the groups": (
        lambda: in_kernel(FORWARD, plants.with_operands(lambda x, w, g: (deal(x, g), w))),
        lambda: anchors.test_groups_see_their_own_channels_in_order(ALGORITHM),
    ),
    "the first group's weights serve all groups": (
        lambda: in_kernel(INPUT_GRAD, plants.with_operands(lambda grad, w, g: (grad, first_group(w, g)))),
        lambda: right_on_generated_cases(INPUT_GRAD),
    ),
    "the bias is missing": (
        lambda: in_kernel(FORWARD, plants.with_bias(lambda out, bias: None)),
        lambda: anchors.test_the_bias_belongs_to_the_channels(ALGORITHM),
    ),
    "the bias is added to the columns": (
        lambda: in_kernel(FORWARD, plants.with_bias(plants.broadcast_to_columns)),
        lambda: anchors.test_the_bias_belongs_to_the_channels(ALGORITHM),
    ),
    "the bias is added twice": (
        bias_twice,
        lambda: right_on_generated_cases(FORWARD),
    ),
    "a bias (O, 1) is taken": (
        lambda: plants.patched((convolution, "check_bias", lambda bias, channels: None)),
        anchors.test_a_bias_of_another_shape_is_refused,
    ),
    "the weight's gradient is divided by the batch size": (
        lambda: in_kernel(WEIGHT_GRAD, plants.with_result(lambda out, g: np.divide(out, g.batch, out=out))),
        lambda: anchors.test_gradients_are_sums_over_the_batch(ALGORITHM),
    ),
    "the bias's gradient is divided by the batch size": (
        lambda: plants.patched((execute, "bias_grad", lambda grad: grad.mean(axis=0).sum(axis=(1, 2)))),
        lambda: anchors.test_gradients_are_sums_over_the_batch(ALGORITHM),
    ),
    "only the first image counts": (
        lambda: in_kernel(WEIGHT_GRAD, plants.with_operands(lambda grad, x, g: (first_image(grad), x))),
        lambda: right_on_generated_cases(WEIGHT_GRAD),
    ),
    "an error that an absolute tolerance lets pass": (
        lambda: in_kernel(INPUT_GRAD, plants.with_result(lambda out, g: np.multiply(out, 2, out=out))),
        lambda: anchors.test_small_gradients_are_as_right_as_large_ones(ALGORITHM, INPUT_GRAD),
    ),
    "an error that a cotangent of ones lets pass": (
        lambda: in_kernel(WEIGHT_GRAD, plants.with_operands(lambda grad, x, g: (flip(grad), x))),
        lambda: anchors.test_the_cotangent_is_random(ALGORITHM, WEIGHT_GRAD),
    ),
    "an error that an oracle in float32 lets pass": (
        lambda: in_kernel(FORWARD, plants.with_result(lambda out, g: np.multiply(out, 1 + 1e-9, out=out))),
        lambda: anchors.test_the_oracle_computes_in_float64(ALGORITHM, FORWARD),
    ),
    "a comparison that is not asserted": (nothing_is_compared, anchors.test_comparisons_are_asserted),
    "a comparison with an absolute tolerance": (absolute_tolerance, anchors.test_comparisons_are_asserted),
    "validation by assert": (
        lambda: integer_like(by_assert),
        lambda: anchors.test_validation_raises_one_sentence_of_the_right_type(ShapeError, {"stride": 0}),
    ),
    "an exception with two arguments": (
        lambda: integer_like(two_arguments),
        lambda: anchors.test_validation_raises_one_sentence_of_the_right_type(ShapeError, {"padding": -1}),
    ),
    "ValueError for a wrong type": (
        lambda: integer_like(any_type),
        lambda: anchors.test_validation_raises_one_sentence_of_the_right_type(TypeError, {"stride": 1.5}),
    ),
    "lists are refused": (no_lists, anchors.test_lists_are_arrays),
    "plans of other parameters are found again": (
        forgetful_select,
        lambda: anchors.test_nothing_is_remembered_from_the_call_before("loops", FORWARD),
    ),
    "plans are not kept": (
        plans_are_not_kept,
        plans.test_equal_calls_share_a_plan,
    ),
    "an input is written to": (
        lambda: in_kernel(INPUT_GRAD, plants.write_to_input),
        lambda: anchors.test_inputs_are_not_changed(ALGORITHM, INPUT_GRAD),
    ),
    "a row of the result is not written": (
        lambda: in_kernel(FORWARD, plants.leave_the_last_row),
        lambda: memory_nobody_has_written(FORWARD),
    ),
    "calls share a buffer": (
        lambda: in_kernel(FORWARD, plants.shared_buffer),
        lambda: algorithms.test_threads_get_the_bits_of_one_call_after_another(ALGORITHM, FORWARD, 1),
    ),
    "NaN is replaced": (
        lambda: in_kernel(FORWARD, plants.with_operands(lambda x, w, g: (np.nan_to_num(x), w))),
        lambda: algorithms.test_what_is_not_finite_stays_where_it_belongs(ALGORITHM, FORWARD, np.nan),
    ),
    "more memory than stated": (
        lambda: in_kernel(WEIGHT_GRAD, plants.secret_workspace),
        lambda: workspaces.test_no_more_than_stated(ALGORITHM, WEIGHT_GRAD),
    ),
    "max_workspace is ignored": (
        lambda: in_kernel(FORWARD, plants.unbounded),
        lambda: workspaces.test_lazy_im2col_stays_within_its_bound(FORWARD, 20, 1, "float32", False),
    ),
    "the result forgets the memory order": (
        always_channels_first,
        lambda: algorithms.test_result_keeps_the_memory_order(ALGORITHM, FORWARD, True),
    ),
    "float16 is computed in float16": (half_the_precision, contract.test_float16_computes_in_float32),
    "gradients are not checked at the call": (
        gradients_are_not_checked_at_the_call,
        lambda: contract.test_all_passes_are_checked_at_the_call(WEIGHT_GRAD, 1),
    ),
    "output_padding is forgotten": (forget_output_padding, transposed.test_by_hand),
    "a transposed bias is added after rounding": (
        bias_after_rounding,
        transposed.test_float16_adds_the_bias_before_rounding,
    ),
}


#: How a test fails: by an assertion, by no exception where one should be, by refusing what is right, by a warning.
FAILURES = (AssertionError, pytest.fail.Exception, ShapeError, TypeError, RuntimeWarning)


@pytest.fixture(autouse=True)
def measurable():
    with workspaces.one_thread_without_buffers():
        yield


@pytest.mark.parametrize("name", PLANTS)
def test_the_mistake_is_caught(name):
    """The check passes as things are, fails with the mistake, and passes again."""
    plant, check = PLANTS[name]
    check()
    with plant(), pytest.raises(FAILURES):
        check()
    check()
