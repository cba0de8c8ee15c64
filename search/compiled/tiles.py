"""Products of small matrices, near the CPU's peak speed.

A tile of the result, some rows by four vectors, is accumulated in registers over the inner
dimension. Every number of a result is summed up in the same order, whatever the size of the tiles.
"""

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic

from search.compiled.vectors import Function, address, call, compiled, spread, wide
from search.compiled.width import WIDE

# Rows of a tile of four vectors. 6 × 4 accumulators, four vectors and a number are 29 of the 32
# registers of AVX-512; 3 × 4 accumulators, three numbers and a vector are the 16 of AVX2.
HEIGHT = 6 if WIDE == 16 else 3
PANEL = 4 * WIDE  # columns of such a tile


def _tile(height: int, vectors: int) -> Function:
    """Makes the function that computes one tile; its arguments are those of `product` but rows."""

    @intrinsic
    def tile(
        typing_context: Any,
        a: Any, a_at: Any, a_apart: Any, a_stride: Any, count: Any,
        b: Any, b_at: Any, b_apart: Any,
        start: Any, start_at: Any, start_apart: Any,
        c: Any, c_at: Any, c_apart: Any,
    ) -> Any:  # fmt: skip
        words = (types.intp,) * 4
        kinds = (a, *words, b, *words[:2], start, *words[:2], c, *words[:2])

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = context.get_value_type(wide)
            word = context.get_value_type(types.intp)

            def place(array: int, row: int | Any, column: int, kind: Any) -> Any:
                """Of what is in a matrix, the number of its array, its `at` and `apart` known."""
                at, apart = arguments[array + 1 : array + 3]
                row = word(row) if isinstance(row, int) else row
                at = builder.add(at, builder.add(builder.mul(row, apart), word(column * WIDE)))
                return address(context, builder, kinds[array], arguments[array], at, kind)

            _, _, _, a_stride, count = arguments[:5]
            everywhere = [(r, v) for v in range(vectors) for r in range(height)]
            sums = {where: cgutils.alloca_once(builder, kind) for where in everywhere}
            for where, total in sums.items():
                builder.store(builder.load(place(8, *where, kind), align=4), total)
            with cgutils.for_range(builder, count) as loop:
                along = builder.mul(loop.index, a_stride)
                numbers = []
                for row in range(height):
                    at = builder.add(
                        arguments[1], builder.add(along, builder.mul(arguments[2], word(row)))
                    )
                    number = address(context, builder, a, arguments[0], at, kind.element)
                    numbers.append(spread(builder, builder.load(number, align=4), kind))
                for vector in range(vectors):
                    other = builder.load(place(5, loop.index, vector, kind), align=4)
                    for row in range(height):
                        total = sums[row, vector]
                        values = (numbers[row], other, builder.load(total))
                        builder.store(call(builder, "fma", values), total)
            for where, total in sums.items():
                builder.store(builder.load(total), place(11, *where, kind), align=4)
            return context.get_dummy_value()

        return types.void(*kinds), code

    result: Function = tile
    return result


_full, _tile_3, _tile_2, _tile_1 = (_tile(rows, 4) for rows in (HEIGHT, 3, 2, 1))
_narrow_6, _narrow_1 = (_tile(rows, 1) for rows in (6, 1))

# fmt: off


@compiled
def product(rows, a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
            start, start_at, start_apart, c, c_at, c_apart):
    """Puts start + a · b into a panel c of rows × PANEL.

    Args:
        rows: how many.
        a, a_at, a_apart, a_stride, count: the k-th of `count` numbers of row r of a is
            a[a_at + r * a_apart + k * a_stride].
        b, b_at, b_apart: row k of b begins at b[b_at + k * b_apart].
        start, start_at, start_apart: likewise.
        c, c_at, c_apart: likewise; may be `start`.
    """
    while rows >= HEIGHT:
        _full(a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
              start, start_at, start_apart, c, c_at, c_apart)
        a_at += HEIGHT * a_apart
        start_at += HEIGHT * start_apart
        c_at += HEIGHT * c_apart
        rows -= HEIGHT
    if HEIGHT > 3 and rows >= 3:
        _tile_3(a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
                start, start_at, start_apart, c, c_at, c_apart)
        a_at += 3 * a_apart
        start_at += 3 * start_apart
        c_at += 3 * c_apart
        rows -= 3
    if rows == 2:
        _tile_2(a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
                start, start_at, start_apart, c, c_at, c_apart)
    elif rows == 1:
        _tile_1(a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
                start, start_at, start_apart, c, c_at, c_apart)


@compiled
def narrow_product(rows, a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
                   start, start_at, start_apart, c, c_at, c_apart):
    """As `product`, of a panel that is only one vector wide."""
    while rows >= 6:
        _narrow_6(a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
                  start, start_at, start_apart, c, c_at, c_apart)
        a_at += 6 * a_apart
        start_at += 6 * start_apart
        c_at += 6 * c_apart
        rows -= 6
    while rows:
        _narrow_1(a, a_at, a_apart, a_stride, count, b, b_at, b_apart,
                  start, start_at, start_apart, c, c_at, c_apart)
        a_at += a_apart
        start_at += start_apart
        c_at += c_apart
        rows -= 1
