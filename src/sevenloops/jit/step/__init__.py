"""Kernels of what a training step does beside convolution; each module has those of one family."""
