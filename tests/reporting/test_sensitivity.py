import re
from dataclasses import replace

import pytest

from search.reporting import sensitivity
from search.reporting.archive import read_archive
from search.reporting.importance import RELIABLE
from tests.made import made_run


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return read_archive(made_run(tmp_path_factory.mktemp("sensitivity") / "r", 40))


def test_every_searched_hyperparameter_against_every_score(archive):
    found = sensitivity.against_hyperparameters(archive)
    assert [figure.name for figure in found] == ["hp-units", "hp-pooling", "hp-rate"]
    for figure in found:
        assert figure.drawing.count("<circle") == len(archive.ranked) == 39
    best = max(archive.ranked, key=lambda r: r.best.val_accuracy)
    assert f"have {best.values['units']}, " in found[0].text


def test_parallel_coordinates_have_a_line_for_each_trial(archive):
    figure = sensitivity.parallel_coordinates(archive)
    lines = re.findall(r'<polyline class="thread[^>]*points="([^"]*)"', figure.drawing)
    assert len(lines) == 39 and {len(points.split()) for points in lines} == {4}
    assert figure.wide
    assert sensitivity.parallel_coordinates(replace(archive, trials=archive.trials[:1])) is None


def test_a_value_outside_the_space_is_left_out(archive):
    """A HyperModel of somebody's own may record what it never declared."""
    first = archive.trials[0]
    odd = replace(first, values={**first.values, "pooling": "odd"})
    changed = replace(archive, trials=(odd, *archive.trials[1:]))
    assert sensitivity.against_hyperparameters(changed)[1].drawing.count("<circle") == 38


def test_importance_warns_of_few_trials(archive):
    figure = sensitivity.importance(archive)
    assert f"fewer than {RELIABLE} trials" in figure.text
    assert figure.numbers["importance"].sum() == pytest.approx(1, abs=0.01)
    few = replace(archive, trials=archive.trials[:5])
    assert sensitivity.importance(few) is None
    assert "at least" in sensitivity.without_importance(few)
