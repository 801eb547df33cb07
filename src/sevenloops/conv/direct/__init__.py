"""Direct convolution in machine code, the host's side: how a pass is cut into tiles, blocks and strips."""
