"""The convolutions of the training set of DeepBench: layers of speech, vision and speaker recognition.

Only the sizes are taken, and layers that its list has twice are here once.

References
----------
Baidu Research, "DeepBench: benchmarking deep learning operations on different hardware",
https://github.com/baidu-research/DeepBench, code/kernels/conv_problems.h, training_set.
"""

from sevenloops.bench.layers import ConvLayer

__all__ = ["deepbench_layers"]

#: For minibatches of these sizes: C, H, W -> O, kernel height and width, stride, padding.
_SIZES: dict[tuple[int, ...], tuple[tuple[int, ...], ...]] = {
    (4, 8, 16, 32): (
        (1, 161, 700, 32, 5, 20, 2, 0),
        (32, 79, 341, 32, 5, 10, 2, 0),
    ),
    (16,): (
        (1, 48, 480, 16, 3, 3, 1, 1),
        (16, 24, 240, 32, 3, 3, 1, 1),
        (32, 12, 120, 64, 3, 3, 1, 1),
        (64, 6, 60, 128, 3, 3, 1, 1),
        (3, 224, 224, 64, 7, 7, 2, 3),
        (192, 28, 28, 32, 5, 5, 1, 2),
        (192, 28, 28, 64, 1, 1, 1, 0),
        (512, 14, 14, 48, 5, 5, 1, 2),
        (512, 14, 14, 192, 1, 1, 1, 0),
        (832, 7, 7, 256, 1, 1, 1, 0),
        (832, 7, 7, 128, 5, 5, 1, 2),
        (1, 161, 700, 64, 5, 5, 2, 1),
        (64, 80, 350, 64, 3, 3, 1, 1),
        (64, 80, 350, 128, 5, 5, 2, 1),
        (128, 40, 175, 128, 3, 3, 1, 1),
        (128, 40, 175, 256, 5, 5, 2, 1),
        (256, 20, 84, 256, 3, 3, 1, 1),
        (256, 20, 84, 512, 5, 5, 2, 1),
        (512, 10, 42, 512, 3, 3, 1, 1),
    ),
    (8,): (
        (3, 108, 108, 64, 3, 3, 2, 1),
        (64, 54, 54, 64, 3, 3, 1, 1),
        (128, 27, 27, 128, 3, 3, 1, 1),
        (128, 14, 14, 256, 3, 3, 1, 1),
        (256, 7, 7, 512, 3, 3, 1, 1),
    ),
    (8, 16): (
        (3, 224, 224, 64, 3, 3, 1, 1),
        (64, 112, 112, 128, 3, 3, 1, 1),
        (128, 56, 56, 256, 3, 3, 1, 1),
        (256, 28, 28, 512, 3, 3, 1, 1),
        (512, 14, 14, 512, 3, 3, 1, 1),
        (512, 7, 7, 512, 3, 3, 1, 1),
        (64, 56, 56, 64, 3, 3, 1, 1),
        (64, 56, 56, 256, 1, 1, 2, 0),
        (128, 28, 28, 128, 3, 3, 1, 1),
        (128, 28, 28, 512, 1, 1, 2, 0),
        (256, 14, 14, 256, 1, 1, 1, 0),
        (256, 14, 14, 256, 3, 3, 1, 1),
        (256, 14, 14, 1024, 1, 1, 2, 0),
        (512, 7, 7, 512, 1, 1, 1, 0),
        (2048, 7, 7, 512, 1, 1, 2, 3),
        (64, 112, 112, 64, 1, 1, 1, 0),
        (64, 56, 56, 256, 1, 1, 1, 0),
        (256, 56, 56, 64, 1, 1, 1, 0),
        (256, 56, 56, 128, 1, 1, 2, 0),
        (128, 28, 28, 512, 1, 1, 1, 0),
        (512, 28, 28, 128, 1, 1, 1, 0),
        (512, 28, 28, 256, 1, 1, 2, 0),
        (256, 14, 14, 1024, 1, 1, 1, 0),
        (512, 28, 28, 1024, 1, 1, 2, 0),
        (1024, 14, 14, 256, 1, 1, 1, 0),
        (1024, 14, 14, 512, 1, 1, 2, 0),
        (512, 7, 7, 2048, 1, 1, 1, 0),
        (1024, 14, 14, 2048, 1, 1, 2, 0),
        (2048, 7, 7, 512, 1, 1, 1, 0),
    ),
}


def deepbench_layers(memory: int) -> tuple[ConvLayer, ...]:
    """Return the layers whose input, weight and output together take at most so many bytes in float32."""
    layers = (
        ConvLayer(n, c, h, w, o, (kernel_h, kernel_w), (stride, stride), (padding, padding))
        for minibatches, sizes in _SIZES.items()
        for c, h, w, o, kernel_h, kernel_w, stride, padding in sizes
        for n in minibatches
    )
    return tuple(layer for layer in layers if layer.bytes <= memory)
