"""SIMD vectors of eight or more float32 numbers for numba.

Numba vectorises a loop only if its compiler finds out how. Here a `Vector` is a value of LLVM's
type <8 x float>, which LLVM keeps in one AVX register, two of NEON or half of AVX-512. So a
function with twelve vectors in local variables uses twelve registers. Wide vectors have WIDE
numbers, as many as a register of this CPU; operations take both.

Only for functions that numba compiles. Indices are not checked.
"""

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, overload, register_model

from search.compiled.cache import cached
from search.compiled.width import WIDE

LANES = 8

Function = Callable[..., Any]


def compiled(function: Function) -> Function:
    """A decorator: compiles a function on its first call, cached on disk, without the GIL."""
    result: Function = cached(function, nogil=True, error_model="numpy")
    return result


def inlined(function: Function) -> Function:
    """A decorator: inlines a function into compiled functions that call it."""
    result: Function = numba.njit(forceinline=True, error_model="numpy")(function)
    return result


class VectorType(types.Type):
    """The numba type of a vector of `lanes` float32 numbers."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(f"Vector({lanes})")


vector, wide = VectorType(LANES), VectorType(WIDE)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.FloatType(), kind.lanes))


def address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any) -> Any:
    """A pointer to a value of LLVM's type `kind` that begins at array[index]."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def spread(builder: Any, number: Any, kind: Any) -> Any:
    """A vector of LLVM's type `kind` that is `number` everywhere."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, nothing, everywhere)


def call(builder: Any, name: str, arguments: Any) -> Any:
    """One of LLVM's own functions, from vectors to a vector."""
    kind = arguments[0].type
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(kind, [kind] * len(arguments)),
        f"llvm.{name}.v{kind.count}f32",
    )
    return builder.call(function, arguments)


def _bounds(builder: Any, limit: Any, kind: Any) -> tuple[Any, Any]:
    """Vectors of -limit and of limit."""
    return spread(builder, builder.fneg(limit), kind), spread(builder, limit, kind)


def _loading(kind: VectorType) -> Any:
    @intrinsic
    def load(typing_context: Any, array: Any, index: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, index = arguments
            llvm = context.get_value_type(kind)
            place = address(context, builder, signature.args[0], array, index, llvm)
            return builder.load(place, align=4)

        return kind(array, types.intp), code

    return load


load = _loading(vector)
"""array[index : index + 8] of a contiguous float32 array."""
load_wide = _loading(wide)
"""The same for a wide vector: array[index : index + WIDE]."""


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + len(value)] = value."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        place = address(context, builder, signature.args[0], array, index, value.type)
        builder.store(value, place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), code


@intrinsic
def store_eights(typing_context: Any, array: Any, index: Any, apart: Any, value: Any) -> Any:
    """Stores a vector in eights: the first at array[index], each next one `apart` further on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, apart, value = arguments
        eight = context.get_value_type(vector)
        for first in range(0, value.type.count, LANES):
            numbers = ir.Constant(
                ir.VectorType(ir.IntType(32), LANES), list(range(first, first + LANES))
            )
            part = builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), numbers)
            place = address(context, builder, signature.args[0], array, index, eight)
            builder.store(part, place, align=4)
            index = builder.add(index, apart)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, value), code


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """A vector of eight equal numbers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return spread(builder, arguments[0], context.get_value_type(vector))

    return vector(types.float32), code


@intrinsic
def like(typing_context: Any, value: Any, number: Any) -> Any:
    """A vector of equal numbers, of the same width as `value`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return spread(builder, arguments[1], arguments[0].type)

    return value(value, types.float32), code


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, "fma", arguments)

    return a(a, a, a), code


@intrinsic
def sqrt(typing_context: Any, x: Any) -> Any:
    """The square roots."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, "sqrt", arguments)

    return x(x), code


def _operator(python: Any, instruction: str) -> Any:
    @intrinsic
    def inner(typing_context: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return a(a, b), code

    # Without annotations: numba compares the signatures of the two functions.
    overload(python)(
        lambda a, b: (lambda a, b: inner(a, b)) if a == b and isinstance(a, VectorType) else None
    )


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


@intrinsic
def clip(typing_context: Any, value: Any, limit: Any) -> Any:
    """Clips each number of `value` to [-limit, limit]; NaN stays NaN."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, limit = arguments
        low, high = _bounds(builder, limit, x.type)
        # Ordered comparisons are false for NaN, which is thereby kept.
        x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
        return builder.select(builder.fcmp_ordered("<", x, low), low, x)

    return value(value, types.float32), code


@intrinsic
def without_tiny(typing_context: Any, value: Any, limit: Any) -> Any:
    """`value`, with 0 for each number whose absolute value is below `limit`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, limit = arguments
        low, high = _bounds(builder, limit, x.type)
        tiny = builder.and_(builder.fcmp_ordered("<", x, high), builder.fcmp_ordered(">", x, low))
        return builder.select(tiny, ir.Constant(x.type, [0.0] * x.type.count), x)

    return value(value, types.float32), code


@intrinsic
def where_least(typing_context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Numbers of x where a <= b, and of y elsewhere, also where one of them is NaN."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, x, y = arguments
        return builder.select(builder.fcmp_ordered("<=", a, b), x, y)

    return a(a, b, x, y), code


@inlined
def tanh(x: Any) -> Any:
    """The hyperbolic tangent, within 4e-7 of the exact value relatively.

    x P(x²) / Q(x²) with degrees 5 and 3, fitted for this file: the smallest largest relative
    error on [0, 9.05] (7e-8 before rounding), found by bisection over linear programmes. Beyond
    it tanh is 1 in float32.
    """
    x = clip(x, numba.float32(9.05))
    y = x * x
    p = fma(
        y, like(x, numba.float32(1.8358783243632715e-11)), like(x, numba.float32(-1.2845873697e-08))
    )
    p = fma(p, y, like(x, numba.float32(9.29788438952528e-06)))
    p = fma(p, y, like(x, numba.float32(0.0029248581267893314)))
    p = fma(p, y, like(x, numba.float32(0.12923356890678406)))
    p = fma(p, y, like(x, numba.float32(0.9999999403953552)))
    q = fma(
        y,
        like(x, numba.float32(0.00022861968318466097)),
        like(x, numba.float32(0.02378087490797043)),
    )
    q = fma(q, y, like(x, numba.float32(0.462566614151001)))
    q = fma(q, y, like(x, numba.float32(1.0)))
    return x * p / q


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), within 2e-7 of the exact value."""
    half = like(x, numba.float32(0.5))
    return fma(half, tanh(half * x), half)
