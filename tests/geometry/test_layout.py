import numpy as np
import pytest

from sevenloops.geometry import Layout, resolve_layout

NAMES = [("NCW", "NWC"), ("NCHW", "NHWC"), ("NCDHW", "NDHWC")]


@pytest.mark.parametrize(("axes", "first", "last"), [(i + 1, *pair) for i, pair in enumerate(NAMES)])
def test_names(axes, first, last):
    assert resolve_layout(first, axes) == Layout(axes, channels_last=False)
    assert resolve_layout(last, axes) == Layout(axes, channels_last=True)
    assert resolve_layout(first, axes).name == first
    assert resolve_layout(last, axes).name == last


@pytest.mark.parametrize(("axes", "name"), [(1, "NCHW"), (2, "NCW"), (2, "nchw"), (2, ""), (3, "NHWC")])
def test_other_names_are_refused_with_those_that_fit(axes, name):
    first, last = NAMES[axes - 1]
    with pytest.raises(ValueError, match=f'"{first}" or "{last}".*{axes} spatial axes.*{name!r}'):
        resolve_layout(name, axes)


@pytest.mark.parametrize("name", [None, 2, ["NCHW"]])
def test_a_layout_is_text(name):
    with pytest.raises(TypeError, match="layout must be a name"):
        resolve_layout(name, 2)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("channels_last", [False, True])
def test_axes_land_where_their_letters_say(axes, channels_last):
    layout = Layout(axes, channels_last)
    sizes = dict(zip("NCDHW", (2, 3, 4, 5, 6)))
    array = np.arange(np.prod([sizes[a] for a in layout.name])).reshape([sizes[a] for a in layout.name])
    canonical = layout.channels_first(array)
    order = "NC" + "DHW"[3 - axes :]
    assert canonical.shape == tuple(sizes[a] for a in order) == layout.shape_first(array.shape)
    assert np.shares_memory(canonical, array)
    np.testing.assert_array_equal(canonical, np.einsum(f"{layout.name}->{order}", array))
    restored = layout.restore(canonical)
    np.testing.assert_array_equal(restored, array)
    assert restored.strides == array.strides


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("channels_last", [False, True])
def test_weight_axes_land_where_their_letters_say(axes, channels_last):
    layout = Layout(axes, channels_last)
    kernel = "DHW"[3 - axes :]
    order = f"{kernel}IO" if channels_last else f"OI{kernel}"
    sizes = dict(zip("OIDHW", (2, 3, 4, 5, 6)))
    weight = np.arange(np.prod([sizes[a] for a in order])).reshape([sizes[a] for a in order])
    canonical = layout.weight_first(weight)
    assert np.shares_memory(canonical, weight)
    np.testing.assert_array_equal(canonical, np.einsum(f"{order}->OI{kernel}", weight))
    restored = layout.weight_restore(canonical)
    np.testing.assert_array_equal(restored, weight)
    assert restored.strides == weight.strides
