"""Steps in decimal numbers."""

from hypothesis import given
from hypothesis import strategies as st

from search.network.steps import count, nearest, value_at


def test_a_tenth_is_a_tenth():
    assert [value_at(0.0, 0.1, n) for n in range(count(0.0, 0.7, 0.1))] == [
        *(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    ]
    assert count(0.2, 0.3, 0.1) == 2 and count(0.0, 0.25, 0.1) == 3
    assert nearest(0.0, 0.7, 0.1, 0.1 + 0.2) == 0.3
    assert nearest(0.0, 0.28, 0.1, 0.28) == 0.2  # 0.3 would be outside
    assert repr(value_at(8, 8, 3)) == "32" and repr(nearest(8, 64, 8, 30)) == "32"


@given(st.integers(-50, 50), st.integers(1, 50), st.integers(1, 40), st.integers(0, 6))
def test_every_value_is_written_with_as_many_digits_as_its_step(low, step, steps, digits):
    low, step = low / 10**digits, step / 10**digits
    high = round(low + steps * step, digits)
    values = [value_at(low, step, n) for n in range(count(low, high, step))]
    assert len(values) == steps + 1 and values[-1] == high
    assert all(value == round(value, digits) for value in values)
    assert all(nearest(low, high, step, value + step / 3) == value for value in values)
