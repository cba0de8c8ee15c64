"""Eight float32 numbers side by side: what numba lacks to write a kernel near a CPU's peak.

Numba vectorises a loop only where its compiler happens to see how. Here a `Vector` is a value of
LLVM's type <8 x float>, which LLVM keeps in one AVX register, two of NEON or half of AVX-512, so
a function that holds twelve of them in local variables holds twelve registers.

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

LANES = 8

Function = Callable[..., Any]


def compiled(function: Function) -> Function:
    """Compiles a function when it is first called, without the interpreter lock, into a cache."""
    result: Function = cached(function, nogil=True, error_model="numpy")
    return result


def inlined(function: Function) -> Function:
    """Makes a function a part of those that call it."""
    result: Function = numba.njit(forceinline=True, error_model="numpy")(function)
    return result


_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)


class VectorType(types.Type):
    """The type of eight float32 numbers, for numba's compiler."""

    def __init__(self) -> None:
        super().__init__("Vector")


vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _splat(builder: Any, number: Any) -> Any:
    first = builder.insert_element(
        ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
    )
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), everywhere)


def _call(builder: Any, name: str, arguments: Any) -> Any:
    """One of LLVM's own functions, from vectors to a vector."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32")
    return builder.call(function, arguments)


def _bounds(builder: Any, limit: Any) -> tuple[Any, Any]:
    """(-limit, limit), eight times each."""
    return _splat(builder, builder.fneg(limit)), _splat(builder, limit)


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """array[index : index + 8] of a contiguous float32 array."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments)
        return builder.load(builder.bitcast(address, _VECTOR.as_pointer()), align=4)

    return vector(array, types.intp), code


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + 8] = value."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], builder.bitcast(address, _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


@intrinsic
def load_splat(typing_context: Any, array: Any, index: Any) -> Any:
    """Eight times array[index]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments)
        return _splat(builder, builder.load(address, align=4))

    return vector(array, types.intp), code


@intrinsic
def splat(typing_context: Any, number: Any) -> Any:
    """Eight times a number."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0])

    return vector(types.float32), code


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, "fma", arguments)

    return vector(vector, vector, vector), code


@intrinsic
def sqrt(typing_context: Any, x: Any) -> Any:
    """The square roots."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, "sqrt", arguments)

    return vector(vector), code


def _operator(python: Any, instruction: str) -> Any:
    @intrinsic
    def inner(typing_context: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

        return vector(vector, vector), code

    # Without annotations: numba compares the signatures of the two functions.
    overload(python)(lambda a, b: (lambda a, b: inner(a, b)) if a == b == vector else None)


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")


@intrinsic
def clip(typing_context: Any, value: Any, limit: Any) -> Any:
    """Each number of `value`, moved into [-limit, limit]; NaN stays NaN."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, limit = arguments
        low, high = _bounds(builder, limit)
        # Ordered comparisons are false for NaN, which is thereby kept.
        x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
        return builder.select(builder.fcmp_ordered("<", x, low), low, x)

    return vector(vector, types.float32), code


@intrinsic
def without_tiny(typing_context: Any, value: Any, limit: Any) -> Any:
    """`value`, with 0 for each number whose absolute value is below `limit`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, limit = arguments
        low, high = _bounds(builder, limit)
        tiny = builder.and_(builder.fcmp_ordered("<", x, high), builder.fcmp_ordered(">", x, low))
        return builder.select(tiny, ir.Constant(_VECTOR, [0.0] * LANES), x)

    return vector(vector, types.float32), code


@intrinsic
def where_least(typing_context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Numbers of x where a <= b, and of y elsewhere, also where one of them is NaN."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, x, y = arguments
        return builder.select(builder.fcmp_ordered("<=", a, b), x, y)

    return vector(vector, vector, vector, vector), code


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
        y, splat(numba.float32(1.8358783243632715e-11)), splat(numba.float32(-1.2845873697e-08))
    )
    p = fma(p, y, splat(numba.float32(9.29788438952528e-06)))
    p = fma(p, y, splat(numba.float32(0.0029248581267893314)))
    p = fma(p, y, splat(numba.float32(0.12923356890678406)))
    p = fma(p, y, splat(numba.float32(0.9999999403953552)))
    q = fma(
        y, splat(numba.float32(0.00022861968318466097)), splat(numba.float32(0.02378087490797043))
    )
    q = fma(q, y, splat(numba.float32(0.462566614151001)))
    q = fma(q, y, splat(numba.float32(1.0)))
    return x * p / q


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), within 2e-7 of the exact value."""
    half = splat(numba.float32(0.5))
    return fma(half, tanh(half * x), half)
