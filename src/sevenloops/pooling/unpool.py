"""Max unpooling on plain arrays: each value goes back to the place that its maximum came from; all else is zero.

x and indices are (N, C, *spatial); an index is a position in the flattened plane of the result, or -1 for none. Where
two values have one place the later one, in row-major order, is there, and so the gradient is the later one's.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from sevenloops import backends, runtime
from sevenloops.arrays import Array
from sevenloops.memory import allocate

__all__ = ["kernel", "unpool", "unpool_grad"]


def unpool(x: Array, indices: Array, size: tuple[int, ...], channels_last: bool) -> Array:
    """Return the result, (N, C, *size), in the memory order that is asked for."""
    images, channels = x.shape[:2]
    plane = prod(size)
    flat = runtime.empty((images * channels * plane,), x.dtype)
    flat.fill(0)
    element, channel = (channels, 1) if channels_last else (1, plane)
    start = np.arange(images)[:, None] * (channels * plane) + np.arange(channels) * channel
    target = indices * element + start.reshape(images, channels, *(1,) * len(size))
    if indices.min(initial=0) < 0:
        inside = indices >= 0
        target, x = target[inside], x[inside]
    flat[target.reshape(-1)] = x.reshape(-1)  # NumPy assigns in order: of equal targets the last one stays
    if channels_last:
        return np.moveaxis(flat.reshape(images, *size, channels), -1, 1)
    return flat.reshape(images, channels, *size)


def unpool_grad(grad: Array, indices: Array, channels_last: bool) -> Array:
    """Return the gradient by x: what arrives at each value's place, if it is the one that stayed there."""
    planes = grad.reshape(*grad.shape[:2], -1) if grad.size else np.zeros((*grad.shape[:2], 1), grad.dtype)
    places = indices.reshape(*grad.shape[:2], prod(indices.shape[2:]))
    safe = np.maximum(places, 0)
    gathered = np.take_along_axis(planes, safe, 2)
    # A value has stayed if its number is what is left after all have written theirs.
    numbers = np.broadcast_to(np.arange(places.shape[2]), places.shape)
    written = runtime.empty(planes.shape, np.int64)
    if places.min(initial=0) < 0:
        written = runtime.empty((*planes.shape[:2], planes.shape[2] + 1), np.int64)
        safe = np.where(places < 0, planes.shape[2], places)  # one more place, for those that have none
    np.put_along_axis(written, safe, numbers, 2)
    stayed = (np.take_along_axis(written, safe, 2) == numbers) & (places >= 0)
    if not stayed.all():
        gathered[~stayed] = 0
    dx = allocate(indices.shape, grad.dtype, channels_last)
    np.copyto(dx, gathered.reshape(indices.shape))
    return dx


backends.register("max_unpool", "forward", "numpy", unpool)
backends.register("max_unpool", "gradient", "numpy", unpool_grad)


def kernel(direction: str) -> Callable[..., Array]:
    """Return the kernel of a direction, "forward" or "gradient", on the backend in use."""
    return backends.find("max_unpool", direction)
