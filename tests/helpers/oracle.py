"""Convolution straight from its definition, in float64: the judge of everything else, without the library's code.

A convolution is linear in the input and in the weight; with a cotangent g of the output it is one number,

    T(g, w, x) = Σ  g[n, o, i…] · w[o, c, u…] · x[n, C, p…] · G[o, c, C] · Π_axis S[i, u, p],

where two kinds of 0/1 tables say which terms there are: ``S[i, u, p] = 1`` where window i's tap u reads position p,
that is ``p = i·stride + u·dilation - before``; and ``G[o, c, C] = 1`` where channel c of filter o reads channel C.
The output is T's derivative by g, the gradients are its derivatives by x and w, and the transposed convolution is the
derivative by x again. So the three directions cannot contradict each other, and positions outside the input have no
entry in the table at all.
"""

import numpy as np

__all__ = ["forward", "input_grad", "same_pads", "transposed", "weight_grad"]


def forward(x, weight, bias=None, *, stride, padding, dilation, groups):
    """y[n, o, i…]; padding is a sequence of (before, after)."""
    sizes = [_windows(*axis) for axis in zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)]
    y = _contract("g", sizes, stride, padding, dilation, groups, w=weight, x=x)
    return y if bias is None else y + np.asarray(bias, np.float64).reshape(-1, *(1,) * len(sizes))


def input_grad(grad, weight, input_size, *, stride, padding, dilation, groups):
    """dT/dx for an input of the spatial size `input_size`."""
    return _contract("x", grad.shape[2:], stride, padding, dilation, groups, w=weight, g=grad, input_size=input_size)


def weight_grad(grad, x, kernel_size, *, stride, padding, dilation, groups):
    """dT/dw for a kernel of the spatial size `kernel_size`."""
    return _contract("w", grad.shape[2:], stride, padding, dilation, groups, x=x, g=grad, kernel_size=kernel_size)


def transposed(x, weight, bias=None, *, stride, padding, output_padding, dilation, groups):
    """The transposed convolution: x plays the gradient, and output_padding makes the result longer at its end."""
    size = [
        (length - 1) * s + (k - 1) * d + 1 - before - after + extra
        for length, k, s, (before, after), d, extra in zip(
            x.shape[2:], weight.shape[2:], stride, padding, dilation, output_padding, strict=True
        )
    ]
    y = input_grad(x, weight, size, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y if bias is None else y + np.asarray(bias, np.float64).reshape(-1, *(1,) * len(size))


def same_pads(length, kernel, stride, dilation):
    """The padding "same": the least total for which ceil(length / stride) windows fit, the odd one at the end."""
    wanted = -(-length // stride)
    total = 0
    while _windows(length, kernel, stride, (0, total), dilation) < wanted:
        total += 1
    return total // 2, total - total // 2


def _windows(length, kernel, stride, padding, dilation):
    """Count the starts i·stride whose last tap is still inside the padded axis."""
    count = 0
    while count * stride + (kernel - 1) * dilation <= sum(padding) + length - 1:
        count += 1
    return count


def _contract(
    wanted, windows, stride, padding, dilation, groups, *, w=None, x=None, g=None, input_size=None, kernel_size=None
):
    """Return dT/d(wanted), of the factors g, w and x, from the other two, summing over one table after the other."""
    axes = range(len(stride))
    kernel_size = kernel_size if w is None else w.shape[2:]
    input_size = input_size if x is None else x.shape[2:]
    w, x, g = (None if factor is None else np.asarray(factor, np.float64) for factor in (w, x, g))
    tables = [
        _axis_table(windows[a], kernel_size[a], input_size[a], stride[a], padding[a][0], dilation[a]) for a in axes
    ]
    out_channels = g.shape[1] if w is None else w.shape[0]
    group_in = x.shape[1] // groups if w is None else w.shape[1]
    filters = _group_table(out_channels, group_in, groups)  # G[o, c, C]
    ijk, uvz, pqr = "ijk"[: len(axes)], "uvz"[: len(axes)], "pqr"[: len(axes)]
    if x is not None:
        read = x  # Σ_p x · S: becomes [n, C, i…, u…]
        for a in axes:
            letters = f"nC{ijk[:a]}{pqr[a:]}{uvz[:a]}"
            read = _sum(
                f"{letters},{ijk[a]}{uvz[a]}{pqr[a]}->nC{ijk[: a + 1]}{pqr[a + 1 :]}{uvz[: a + 1]}", read, tables[a]
            )
    if w is not None:
        full = _sum(f"oc{uvz},ocC->oC{uvz}", w, filters)  # zero where a filter does not read a channel
    if wanted == "g":
        return _sum(f"nC{ijk}{uvz},oC{uvz}->no{ijk}", read, full)
    if wanted == "w":
        return _sum(f"oC{uvz},ocC->oc{uvz}", _sum(f"no{ijk},nC{ijk}{uvz}->oC{uvz}", g, read), filters)
    sent = _sum(f"no{ijk},oC{uvz}->nC{ijk}{uvz}", g, full)
    for a in reversed(axes):
        letters = f"nC{ijk[: a + 1]}{pqr[a + 1 :]}{uvz[: a + 1]}"
        sent = _sum(f"{letters},{ijk[a]}{uvz[a]}{pqr[a]}->nC{ijk[:a]}{pqr[a:]}{uvz[:a]}", sent, tables[a])
    return sent


def _sum(letters, first, second):
    return np.einsum(letters, first, second, optimize=first.size * second.size > 10_000)


def _axis_table(windows, kernel, length, stride, before, dilation):
    table = np.zeros((windows, kernel, length))
    for i in range(windows):
        for u in range(kernel):
            position = i * stride + u * dilation - before
            if 0 <= position < length:
                table[i, u, position] = 1
    return table


def _group_table(out_channels, group_in, groups):
    table = np.zeros((out_channels, group_in, group_in * groups))
    for o in range(out_channels):
        group = o * groups // out_channels  # filters are dealt to the groups in order, equally many to each
        for c in range(group_in):
            table[o, c, group * group_in + c] = 1
    return table
