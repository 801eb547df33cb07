"""Winograd's convolution as programs of the kernel language: transforms, products, kernels."""
