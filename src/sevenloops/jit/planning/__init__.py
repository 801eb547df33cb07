"""The host's side of the kernels of direct convolution: how a pass is cut into tiles, blocks, strips and slices."""
