import re
from dataclasses import replace

import numpy as np
import pytest
from markupsafe import escape

from search.display import visible
from search.evaluation.calibration import by_class, tempered
from search.reporting import diagnostics
from search.reporting.archive import read_archive
from search.reporting.report import Report
from tests.made import HOSTILE, made_run


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return read_archive(made_run(tmp_path_factory.mktemp("diagnostics") / "r", 4, rows=200))


def test_the_predictions_are_the_exported_models(sample_run):
    archive = read_archive(sample_run[0])
    model = diagnostics.predicted(archive)
    assert model.name == archive.best["trial_id"]
    accuracy = float((model.calibrated.argmax(axis=1) == archive.labels).mean())
    assert accuracy == pytest.approx(archive.best["val_accuracy"], abs=1e-9)
    text = diagnostics.reliability(model).text
    assert f"error {archive.best['calibration_error']['after']:.3f}" in text


def test_confusion(archive):
    model = diagnostics.predicted(archive)
    given = model.raw.argmax(axis=1)
    figure = diagnostics.confusion(archive, model)
    counts = [
        int(n) for n in re.findall(r'<td class="(?:hit|miss)"[^>]*>([\d,]+)<', figure.drawing)
    ]
    expected = [int(((archive.labels == a) & (given == b)).sum()) for a in (0, 1) for b in (0, 1)]
    assert counts == expected and sum(counts) == 200


def test_many_classes_are_listed(tmp_path):
    names = [f"class {n}" for n in range(30)]
    archive = read_archive(made_run(tmp_path / "r", 3, rows=900, classes=names))
    figure = diagnostics.confusion(archive, diagnostics.predicted(archive))
    assert len(figure.numbers) == diagnostics.SHOWN_PAIRS
    assert figure.numbers["rows"].is_monotonic_decreasing


def test_reliability_has_all_rows_in_its_bins(archive):
    model = diagnostics.predicted(archive)
    numbers = diagnostics.reliability(model).numbers
    assert numbers["rows"].sum() == 200 and len(numbers) == diagnostics.BINS
    assert (numbers["low"] <= numbers["share that is right"]).all()
    calibrated = tempered(archive.predictions("0001"), archive.best["temperature"])
    assert np.allclose(model.calibrated, by_class(calibrated))


def test_certain_predictions(archive):
    """All of one confidence: one bin, and no division by nothing."""
    sure = np.tile([0.0, 1.0], (200, 1))
    model = replace(diagnostics.predicted(archive), raw=sure, calibrated=sure)
    assert diagnostics.reliability(model).numbers["rows"].tolist() == [200]


def test_weak_slices_are_marked(archive):
    figure = diagnostics.slices(archive)
    assert "worse than on the rest: class negative." in figure.text
    assert figure.drawing.count('dot best weak"') == 1
    assert diagnostics.slices(replace(archive, slices=None)) is None


def test_mistakes_are_short(archive):
    found = diagnostics.worst(archive, 3)
    assert found["text"].tolist() == [escape(visible(text)) for text in HOSTILE[:3]]
    long = archive.mistakes.assign(text="x" * 5000)
    assert diagnostics.worst(replace(archive, mistakes=long), 3)["text"].str.len().max() < 410


def test_words_that_decided_are_marked(archive):
    table = archive.mistakes.head(1).assign(text="<b> dull", decided_by="dull +2.10, b -0.30")
    report = Report(replace(archive, mistakes=table)).html()
    assert (
        '<bdi>&lt;<mark class="against">b<sup>-0.3</sup></mark>&gt; '
        '<mark class="for">dull<sup>+2.1</sup></mark></bdi>'
    ) in report
    assert "The network is asked that was not trained on the row" in report
    assert "The network is asked" not in Report(archive).html()  # of an earlier version


def test_predictions_of_other_rows_are_not_believed(archive):
    assert diagnostics.predicted(replace(archive, labels=archive.labels[:10])) is None
    assert diagnostics.predicted(replace(archive, labels=None)) is None
