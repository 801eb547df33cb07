"""Gradient cases of convolution, transposed convolution and the affine map."""

import sevenloops as sl


def convolution(function, x, weight, **parameters):
    def make(rng):
        bias = weight[1] * parameters.get("groups", 1) if function.startswith("conv_transpose") else weight[0]
        arrays = [rng.standard_normal(shape) for shape in (x, weight, (bias,))]
        return lambda x, w, b: getattr(sl, function)(x, w, b, **parameters), arrays

    return make


CASES = {
    "conv1d": convolution("conv1d", (2, 3, 9), (4, 3, 3), stride=2, padding=1),
    "conv1d without a batch axis": convolution("conv1d", (3, 9), (4, 3, 2)),
    "conv2d": convolution(
        "conv2d", (2, 4, 6, 5), (6, 2, 3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2
    ),
    "conv2d of 3 by 3": convolution("conv2d", (2, 3, 8, 8), (4, 3, 3, 3), padding=1),
    "conv3d": convolution("conv3d", (1, 2, 4, 4, 3), (3, 2, 2, 3, 2), padding="same"),
    "conv_transpose1d": convolution("conv_transpose1d", (2, 3, 5), (3, 4, 3), stride=2),
    "conv_transpose2d": convolution(
        "conv_transpose2d", (2, 4, 3, 4), (4, 3, 3, 2), stride=2, padding=1, output_padding=1, groups=2
    ),
    "conv_transpose3d": convolution("conv_transpose3d", (1, 2, 2, 3, 2), (2, 3, 2, 2, 3)),
    "linear": lambda rng: (sl.linear, [rng.standard_normal(s) for s in ((5, 3), (4, 3), (4,))]),
    "linear of more axes": lambda rng: (sl.linear, [rng.standard_normal(s) for s in ((2, 1, 3), (4, 3), (4,))]),
    "linear of a vector": lambda rng: (
        lambda x, w: sl.linear(x, w),
        [rng.standard_normal(s) for s in ((3,), (4, 3))],
    ),
}
