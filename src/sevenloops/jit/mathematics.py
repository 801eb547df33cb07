"""Elementary functions of vectors, by range reduction and polynomials.

Maximum errors in units in the last place (ulp), found by comparing with more digits over the whole range of float32,
and over random and special float64: see `tests/jit/test_mathematics.py`, which checks them.

    function    float32    float64
    exp           1.1        1.1        also where the result is subnormal
    expm1         2.5        2.5
    log           1.0        1.0        also of subnormal numbers
    log1p         1.5        1.5        of 0 … 1
    tanh          2.0        2.0
    sigmoid       2.5        2.5        where it is not subnormal: there it is 0
    erf           1.5        1.5
    normal_tail   5.5        5.5        where it is not subnormal

Infinities give limits, what is not a number gives itself. Each polynomial interpolates at Chebyshev's points, with
coefficients from the lowest power; its error is less than a twentieth of a unit in the last place.

References
----------
J.-M. Muller, "Elementary Functions: Algorithms and Implementation", Birkhäuser, 2016.
"""

import math
from collections.abc import Sequence

from sevenloops.jit.language import Code, Value

__all__ = ["clipped", "erf", "exp", "expm1", "log", "log1p", "normal_tail", "polynomial", "sigmoid", "tanh"]

# (exp(r) - 1 - r) / r² from -log(2)/2 to log(2)/2
_EXP = {
    4: (0.5, 0.166665769896987757, 0.0416665546172045742, 0.00836317905272257737, 0.00139261835877134945),
    8: (
        *(0.500000000000000102, 0.166666666666666675, 0.0416666666666241279, 0.00833333333333006183),
        *(0.00138888889172137169, 0.000198412698630536169, 0.0000248015212959543751, 2.75572684599970648e-6),
        *(2.76200884454097482e-7, 2.51003854955103191e-8),
    ),
}
# (log((1 + s) / (1 - s)) / s - 2) / s² in s², for (1 + s) / (1 - s) from √½ to √2
_LOG = {
    4: (0.66666685063750327, 0.399887706735108764, 0.29580398281484708),
    8: (
        *(0.66666666666666697, 0.39999999999899239, 0.285714286260958915, 0.222222111151441615),
        *(0.181828905566956035, 0.153316740301678619, 0.146170375487916501),
    ),
}
# erf(x) / x in x², up to 1
_ERF = {
    4: (
        *(1.12837916584835095, -0.37612626666720331, 0.112835947151602177, -0.0268542120106264124),
        *(0.00518908742343397399, -0.000801686428716586953, 0.0000787587506268548834),
    ),
    8: (
        *(1.12837916709551257, -0.376126389031837481, 0.112837916709548787, -0.0268661706450767932),
        *(0.00522397762481801447, -0.000854832698083378991, 0.000120553311116427109, -0.0000149255952668311816),
        *(1.6461000484121368e-6, -1.6350312701054695e-7, 1.46597752740474358e-8, -1.13728488567916737e-9),
        5.9571761477489114e-11,
    ),
}
# exp(z²) · erfc(z) / (2·t) in t - ½, with t = 1 / (1 + k·z), for z from 0 to where exp(-z²) is 0
_TAIL = {
    4: (
        *(0.255395677293532887, 0.343580358113903757, 0.27947174242456607, 0.0728826730721809614),
        *(-0.0860214667403296569, -0.0517846591100823035, 0.0489701596326622125, 0.0264184651667036144),
        *(-0.0376156537104707688, -0.00536561076834565641, 0.0167425197707267228),
    ),
    8: (
        *(0.255395676310505749, 0.343580342206905374, 0.279472092556047357, 0.0728844630137174169),
        *(-0.0860426475561961926, -0.0518334805358493225, 0.0494497927843401093, 0.0267934735864378848),
        *(-0.0424366964554752148, -0.0043995282860014124, 0.036984283043076097, -0.0174845899697033272),
        *(-0.0222126285521089565, 0.0330207616605921449, -0.00466546666377967663, -0.0298966712931749303),
        *(0.033293276773610481, 0.000187543242904734517, -0.0405143917004619768, 0.0418739623820546288),
        *(0.0121674086437421736, -0.0586100173488303457, 0.0251441470945214397, 0.031243061562311762),
        -0.024585437050997224,
    ),
}
_TAIL_RATE = 0.5
_TAIL_END = {4: 10.5, 8: 27.5}

#: log 2 in two parts, the first with so few digits that its product with an exponent is exact.
_LOG2 = {4: (0.693359375, -2.12194440054690583e-4), 8: (0.693147180369123816, 1.90821492927058770e-10)}
_MANTISSA = {4: 23, 8: 52}
_SMALLEST = {4: -104.0, 8: -746.0}  # below, exp is 0
_LARGEST = {4: 89.0, 8: 710.0}  # above, it is infinite
_EVEN = {4: 12.0, 8: 20.0}  # where tanh is 1 to the last digit, and beyond


def clipped(code: Code, x: Value, low: float, high: float) -> Value:
    """Return x, or the bound that it is beyond; NaN stays NaN."""
    bottom, top = code.vector(low), code.vector(high)
    x = code.select(x < bottom, bottom, x)
    return code.select(x > top, top, x)


def polynomial(code: Code, coefficients: Sequence[float], x: Value) -> Value:
    """Return Σ c_i · xⁱ, by Horner's rule."""
    result = code.vector(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = code.fma(result, x, code.vector(coefficient))
    return result


def _reduced(code: Code, x: Value) -> tuple[Value, Value]:
    """Return n, integral, and exp(r) - 1 where x = n·log 2 + r, |r| ≤ log(2)/2; n is less than 2²¹."""
    high, low = _LOG2[code.itemsize]
    n = _rounded(code, x * code.vector(1 / math.log(2)))
    r = code.fma(n, code.vector(-low), code.fma(n, code.vector(-high), x))
    return n, code.fma(r * r, polynomial(code, _EXP[code.itemsize], r), r)


def _magic(code: Code) -> Value:
    """Return 1.5 · 2^(digits): whatever is added to it loses its fraction, and is in the lowest bits."""
    return code.vector(1.5 * 2.0 ** _MANTISSA[code.itemsize])


def _rounded(code: Code, x: Value) -> Value:
    return (x + _magic(code)) - _magic(code)


def _power(code: Code, n: Value) -> Value:
    """Return 2ⁿ for an integral n of a normal number's exponents."""
    digits = _MANTISSA[code.itemsize]
    shifted = code.binary("<<", code.bits(n + _magic(code)), code.pattern(digits))
    return code.floats(code.binary("+", shifted, code.bits(code.vector(1.0))))


def exp(code: Code, x: Value) -> Value:
    """Return exp(x)."""
    size = code.itemsize
    n, less_one = _reduced(code, clipped(code, x, _SMALLEST[size], _LARGEST[size]))
    # 2ⁿ in two factors: subnormal results are rounded once, large ones do not overflow too early.
    half = _rounded(code, n * code.vector(0.5))
    value = less_one + code.vector(1.0)
    return (value * _power(code, half)) * _power(code, n - half)


def expm1(code: Code, x: Value) -> Value:
    """Return exp(x) - 1."""
    n, less_one = _reduced(code, clipped(code, x, -40.0, _LARGEST[code.itemsize]))
    # 2ⁿ·(e - 1) + (2ⁿ - 1), of which half is computed, since 2ⁿ may be too large
    half = _power(code, n - code.vector(1.0))
    return code.fma(half, less_one, half - code.vector(0.5)) * code.vector(2.0)


def log(code: Code, x: Value) -> Value:
    """Return log(x): NaN below 0, and -∞ for 0."""
    digits, size = _MANTISSA[code.itemsize], code.itemsize
    tiny = 2.0**-126 if size == 4 else 2.0**-1022
    zero, one = code.zero(), code.vector(1.0)
    subnormal = x < code.vector(tiny)
    scaled = code.select(subnormal, x * code.vector(2.0 ** (digits + 1)), x)
    # Bits from those of √½ on: the exponent k is then that of x = 2ᵏ·m, √½ ≤ m < √2.
    offset = code.binary("-", code.bits(one), code.bits(code.vector(math.sqrt(0.5))))
    moved = code.binary("+", code.bits(scaled), offset)
    exponent = code.binary(">>", moved, code.pattern(digits))
    m = code.floats(
        code.binary(
            "+",
            code.binary("&", moved, code.pattern((1 << digits) - 1)),
            code.bits(code.vector(math.sqrt(0.5))),
        )
    )
    bias = 127 if size == 4 else 1023
    base = 2.0**digits
    k = code.floats(code.binary("|", exponent, code.bits(code.vector(base)))) - code.vector(base + bias)
    k = k - code.select(subnormal, code.vector(digits + 1.0), zero)
    # log(1 + f) = f - (f²/2 - s·(f²/2 + R)), with s = f / (2 + f)
    f = m - one
    s = f / (f + code.vector(2.0))
    z = s * s
    half = f * f * code.vector(0.5)
    high, low = _LOG2[size]
    tail = code.fma(s, code.fma(z, polynomial(code, _LOG[size], z), half), k * code.vector(low))
    result = code.fma(k, code.vector(high), f - (half - tail))
    infinite = code.vector(math.inf)
    result = code.select(x < infinite, result, x)  # ∞, and NaN
    result = code.select(x > zero, result, code.select(x < zero, code.vector(math.nan), result))
    return code.select(x.equals(zero), code.vector(-math.inf), result)


def log1p(code: Code, x: Value) -> Value:
    """Return log(1 + x) for x from 0 to 1."""
    one = code.vector(1.0)
    y = x + one
    return log(code, y) + (x - (y - one)) / y  # what 1 + x has lost, times the slope


def tanh(code: Code, x: Value) -> Value:
    """Return the hyperbolic tangent, e / (e + 2) with e = exp(2·|x|) - 1."""
    end = code.vector(_EVEN[code.itemsize])
    size = code.absolute(x)
    size = code.select(size > end, end, size)
    e = expm1(code, size + size)
    t = e / (e + code.vector(2.0))
    # e/(e + 2) = e/2 - e/2 · e/(e + 2): where that is small, the error of the quotient is made small too
    half = e * code.vector(0.5)
    t = code.select(size < code.vector(0.4), code.fma(half, code.zero() - t, half), t)
    return code.with_sign(t, x)


def sigmoid(code: Code, x: Value) -> Value:
    """Return 1 / (1 + exp(-x)); where that overflows, 0."""
    one = code.vector(1.0)
    return one / (one + exp(code, code.zero() - x))


def _scaled_tail(code: Code, z: Value) -> Value:
    """Return exp(z²) · erfc(z) / 2 for z ≥ 0."""
    size = code.itemsize
    t = code.vector(1.0) / code.fma(z, code.vector(_TAIL_RATE), code.vector(1.0))
    return polynomial(code, _TAIL[size], t - code.vector(0.5)) * t


def normal_tail(code: Code, y: Value) -> tuple[Value, Value]:
    """Return Φ(-y), the tail of the normal distribution, and exp(-y²/2), for y ≥ 0."""
    end = code.vector(_TAIL_END[code.itemsize] * math.sqrt(2))
    y = code.select(y > end, end, y)
    # exp(-y²/2) of y² = square + rest, exactly: with y = a + b, a of half the digits, whose products are exact
    square = y * y
    digits = (_MANTISSA[code.itemsize] + 2) // 2
    a = code.floats(code.binary("&", code.bits(y), code.pattern(-(1 << digits))))
    b = y - a
    rest = (((a * a - square) + a * b * code.vector(2.0)) + b * b) * code.vector(0.5)
    gauss = exp(code, square * code.vector(-0.5))
    gauss = code.fma(gauss, code.zero() - rest, gauss)
    return _scaled_tail(code, y * code.vector(math.sqrt(0.5))) * gauss, gauss


def erf(code: Code, x: Value) -> Value:
    """Return the error function: a polynomial up to 1, beyond it 1 less the tail."""
    size = code.itemsize
    one, end = code.vector(1.0), code.vector(_TAIL_END[size])
    z = code.absolute(x)
    first, *others = _ERF[size]
    near = code.fma(z, polynomial(code, (first - 1, *others), z * z), z)  # the largest part without rounding
    z = code.select(z > end, end, z)
    tail = _scaled_tail(code, z) * exp(code, code.zero() - z * z)
    far = code.fma(tail, code.vector(-2.0), one)
    return code.with_sign(code.select(code.absolute(x) <= one, near, far), x)
