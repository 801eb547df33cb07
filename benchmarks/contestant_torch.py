"""PyTorch as a contestant; the variant is the memory format, "contiguous" or "channels_last"."""

import torch

import sevenloops as sl
from contest import serve

torch.set_num_threads(sl.get_num_threads())


def prepare(layer, direction, variant):
    memory = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[variant]
    x, w, g = (torch.from_numpy(a).contiguous(memory_format=memory) for a in layer.arrays())
    needs = (direction == "input_grad", direction == "weight_grad", False)

    def call():
        if direction == "forward":
            return torch.nn.functional.conv2d(x, w, **layer.keywords)
        pair = [layer.stride] * 2, [layer.padding] * 2, [1, 1]
        grads = torch.ops.aten.convolution_backward(g, x, w, [0], *pair, False, [0, 0], layer.groups, needs)
        return grads[0 if direction == "input_grad" else 1]

    def result():
        with torch.no_grad():
            return call().contiguous().numpy()

    torch.set_grad_enabled(False)
    return call, result


serve(prepare)
