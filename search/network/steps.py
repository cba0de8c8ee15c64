"""Ranges with a step, in decimal arithmetic: 0.1 is a tenth, and three of them are 0.3.

In binary floating point three steps of 0.1 are 0.30000000000000004, and between 0 and 0.7 there is
no room for a seventh.
"""

from decimal import Decimal

Number = int | float


def count(low: Number, high: Number, step: Number) -> int:
    """The number of values from `low` up to `high`; `high` is one of them if the steps meet it."""
    return int((_exact(high) - _exact(low)) // _exact(step)) + 1


def value_at(low: Number, step: Number, index: int) -> Number:
    """The value after `index` steps; an int if `low` and `step` are."""
    value = _exact(low) + index * _exact(step)
    return float(value) if isinstance(low, float) or isinstance(step, float) else int(value)


def nearest(low: Number, high: Number, step: Number, value: Number) -> Number:
    """The value of the range that is nearest to another number."""
    index = round((_exact(value) - _exact(low)) / _exact(step))
    return value_at(low, step, min(max(index, 0), count(low, high, step) - 1))


def _exact(number: Number) -> Decimal:
    return Decimal(repr(number))
