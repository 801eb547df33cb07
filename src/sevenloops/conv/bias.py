"""The gradient of a bias: what each output channel was given, summed over images and positions."""

from sevenloops import backends
from sevenloops.arrays import Array, compute_dtype

__all__ = ["bias_grad", "bias_grad_in_machine_code"]


def bias_grad(grad_output: Array) -> Array:
    """Return the sum (O,) of an array (N, O, *spatial)."""
    wide = compute_dtype(grad_output.dtype)
    positions = tuple(range(2, grad_output.ndim))
    total: Array = grad_output.sum(axis=positions, dtype=wide).sum(axis=0)
    return total.astype(grad_output.dtype, copy=False)


def bias_grad_in_machine_code(grad_output: Array) -> Array:
    """Return the same, in one pass where the channels are last in memory."""
    from sevenloops.jit import channel_sums

    if channel_sums.accepts(grad_output):
        return channel_sums.channel_sums(grad_output)
    return bias_grad(grad_output)


backends.register("conv/bias", "gradient", "numpy", bias_grad)
backends.register("conv/bias", "gradient", "jit", bias_grad_in_machine_code)
