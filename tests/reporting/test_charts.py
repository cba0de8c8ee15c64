import xml.etree.ElementTree as ElementTree

import pytest

from search.reporting.charts import Chart, Places, Scale, across, scale, short, up


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [(0, 1, False), (0.7612, 0.7934, False), (-3, 5000, False), (3e-4, 1e-2, True), (16, 64, True)],
)
def test_ticks_are_few_round_and_inside(low, high, log):
    axis = Scale(low, high, 0, 100, log)
    ticks = [value for value, _ in axis.ticks()]
    assert 2 <= len(ticks) <= 9
    assert all(low * 0.999 <= value <= high * 1.001 for value in ticks if value)
    assert len({name for _, name in axis.ticks()}) == len(ticks)


def test_ends_and_middle():
    assert [Scale(2, 4, 100, 0)(v) for v in (2, 3, 4)] == [100, 50, 0]
    assert Scale(1, 100, 0, 10, log=True)(10) == pytest.approx(5)
    assert [Places(("a", "b"), 0, 100)(name) for name in "ab"] == [25, 75]


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5], [0.0, 0.0]])
@pytest.mark.parametrize("axis", [across, up])
def test_a_scale_over_little(values, axis):
    found = axis(values)
    assert found.low < found.high and found.ticks()
    assert scale([5.0], 0, 1, log=True).ticks()


def test_numbers_are_short():
    values = [0, 0.00185, 64, 0.8042, 999, 1024, 12345, 1_986_177, 3.2e9]
    assert [short(v) for v in values] == (
        ["0", "0.00185", "64", "0.804", "999", "1024", "12.3k", "1.99M", "3.2G"]
    )


def test_whatever_is_written_is_well_formed():
    chart = Chart(across([0, 1]), up([0, 1]), '<x> & "x"', "</text>")
    chart.dot(1, 2, "dot", '"><script>')
    chart.text(1, 2, "\x1b[0m\0 < " + "long" * 20, "tick")
    chart.stairs([(0, 0), (1, 1)], "line")
    svg = ElementTree.fromstring(chart.svg('a "quoted" < description'))
    assert svg.get("aria-label") == 'a "quoted" < description'
    texts = [element.text for element in svg.iter("text")]
    assert '<x> & "x"' in texts and "</text>" in texts
    assert max(len(text) for text in texts) <= 28
    assert svg.find("circle").get("data-t") == '"><script>'
