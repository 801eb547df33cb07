"""Gradient cases of shapes, axes, parts, joining, padding and conversion."""

import numpy as np

import sevenloops as sl


def normal(function, *shapes, **options):
    return lambda rng: (function, [rng.standard_normal(shape) for shape in shapes], *([options] if options else []))


CASES = {
    "reshape": normal(lambda x: sl.reshape(x, (3, -1)), (2, 6)),
    "reshape of a transposed one": normal(lambda x: x.T.reshape(12), (2, 6)),
    "reshape to 0 axes": normal(lambda x: x.reshape(()), (1, 1)),
    "flatten": normal(lambda x: sl.flatten(x, 1), (2, 3, 4)),
    "unflatten": normal(lambda x: sl.unflatten(x, 1, (2, -1)), (3, 4)),
    "squeeze": normal(sl.squeeze, (1, 3, 1)),
    "unsqueeze": normal(lambda x: sl.unsqueeze(x, -1), (2, 3)),
    "expand": normal(lambda x: x.expand(4, 2, -1), (2, 1)),
    "expand of 0 axes": normal(lambda x: x.expand(2, 3), ()),
    "expand to nothing": normal(lambda x: x.expand(0, 3), (1, 3)),
    "permute": normal(lambda x: sl.permute(x, (1, 2, 0)), (2, 3, 4)),
    "permute of axes of one length": normal(lambda x: sl.permute(x, (1, 2, 0)), (3, 3, 3)),
    "transpose": normal(lambda x: sl.transpose(x, 0, -1), (2, 3, 4)),
    "T": normal(lambda x: x.T, (2, 3, 4)),
    "movedim": normal(lambda x: sl.movedim(x, (0, 1), (-1, 0)), (2, 3, 4)),
    "flip": normal(lambda x: sl.flip(x, (0, -1)), (2, 3, 4)),
    "roll": normal(lambda x: sl.roll(x, (1, -2), (0, 2)), (2, 3, 4)),
    "roll of all": normal(lambda x: sl.roll(x, 5), (2, 3)),
    "getitem": normal(lambda x: x[1, :, ::-1], (2, 3, 4)),
    "getitem of repeated rows": normal(lambda x: x[[0, 0, 1]], (2, 3)),
    "getitem by a mask": normal(lambda x: x[np.array([[True, False, True], [False, True, True]])], (2, 3)),
    "getitem of one element": normal(lambda x: x[1, 2], (2, 3)),
    "unbind": normal(lambda x: sl.unbind(x, 1), (2, 3)),
    "split": normal(lambda x: sl.split(x, 2, 1), (2, 5)),
    "split into given sizes": normal(lambda x: sl.split(x, [1, 0, 4], -1), (2, 5)),
    "chunk": normal(lambda x: sl.chunk(x, 2), (5, 2)),
    "cat": normal(lambda *tensors: sl.cat(tensors, 1), (2, 3), (2, 1), (2, 0)),
    "cat of equal shapes": normal(lambda *tensors: sl.cat(tensors), (2, 3), (2, 3), (2, 3)),
    "cat of one": normal(lambda x: sl.cat([x, x]), (2, 3)),
    "stack": normal(lambda *tensors: sl.stack(tensors, -1), (2, 3), (2, 3)),
    "stack of 0 axes": normal(lambda *tensors: sl.stack(tensors), (), (), ()),
    "tile": normal(lambda x: sl.tile(x, (2, 1, 3)), (2, 3)),
    "tile of fewer axes": normal(lambda x: sl.tile(x, (2,)), (2, 3)),
    "tile to nothing": normal(lambda x: sl.tile(x, (2, 0)), (2, 3)),
    "clone": normal(lambda x: x.clone(), (2, 3)),
    "contiguous": normal(lambda x: x.T.contiguous(), (2, 3)),
    "to": normal(lambda x: x.to(np.float64 if x.dtype == np.float32 else np.float32).to(x.dtype), (2, 3), rtol=1e-2),
    "pad": normal(lambda x: sl.pad(x, (1, 2, 0, 3), value=0.5), (2, 3, 4)),
    "pad that cuts": normal(lambda x: sl.pad(x, (-1, 2, 1, -1)), (3, 4)),
    "pad that cuts all": normal(lambda x: sl.pad(x, (-1, -3)), (3, 4)),
    "pad of nothing": normal(lambda x: sl.pad(x, (1, 2)), (2, 0)),
}
CASES |= {
    f"pad by mode {mode}{how}": normal(lambda x, mode=mode, pad=pad: sl.pad(x, pad, mode), shape)
    for mode in ("reflect", "replicate", "circular")
    for how, pad, shape in (
        ("", (2, 1), (2, 3)),
        (" on two axes", (3, 2, 0, 1), (2, 2, 4)),
        (" of all", (2, 2, 1, 1), (2, 3)),
        (" of nothing", (1, 1), (0, 3)),
    )
}
