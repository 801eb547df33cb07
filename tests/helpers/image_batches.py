"""Batches of images as users hold them: with any strides, and read-only."""

import numpy as np
from hypothesis import strategies as st

STRIDES = st.sampled_from(["C", "F", "channels-last", "reversed"])


def strided(images, how):
    """Return the same images with other strides, read-only."""
    if how == "channels-last":
        images = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    elif how == "reversed":
        images = images[..., ::-1].copy()[..., ::-1]
    else:
        images = images.copy(order=how)
    images.flags.writeable = False
    return images
