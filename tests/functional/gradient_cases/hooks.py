"""Gradient cases of what backward hooks put into the graph."""

import sevenloops as sl


def hooked(rng):
    module = sl.nn.Sequential(sl.nn.Tanh())
    module.register_full_backward_hook(lambda *_: None)
    return module, [rng.standard_normal((2, 3))]


CASES = {"a module with a backward hook": hooked}
