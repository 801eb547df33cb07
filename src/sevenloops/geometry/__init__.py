"""Geometry: what a call means, worked out and checked once, before any array is touched."""

from sevenloops.geometry.axis import effective_kernel, output_length, same_padding
from sevenloops.geometry.convolution import ConvGeometry
from sevenloops.geometry.layout import Layout, resolve_layout
from sevenloops.geometry.pooling import AdaptiveGeometry, PoolGeometry

__all__ = [
    "AdaptiveGeometry",
    "ConvGeometry",
    "Layout",
    "PoolGeometry",
    "effective_kernel",
    "output_length",
    "resolve_layout",
    "same_padding",
]
