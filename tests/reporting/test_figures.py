import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from search.reporting import figures
from search.reporting.archive import read_archive
from tests.made import made_run


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return read_archive(made_run(tmp_path_factory.mktemp("figures") / "r", 30))


def trials_in(figure):
    return re.findall(r'<circle[^>]* data-t="(\d+)"', figure.drawing)


def test_best_so_far_only_rises_and_ends_at_the_best(archive):
    best = max(r.best.val_accuracy for r in archive.ranked)
    for figure in (figures.over_time(archive), figures.over_epochs(archive)):
        assert sorted(trials_in(figure)) == sorted(r.trial_id for r in archive.ranked)
        found = figure.numbers["best validation accuracy"]
        assert found.is_monotonic_increasing and found.iloc[-1] == round(best, 4)
        assert f"{best:.4f}" in figure.text
    epochs = figures.over_epochs(archive).numbers.iloc[:, 0]
    assert epochs.iloc[-1] <= sum(len(r.history) for r in archive.trials)


@pytest.mark.parametrize(("seconds", "unit"), [(3, "s"), (600, "min"), (9000, "h")])
def test_time_has_a_fitting_unit(archive, seconds, unit):
    begin = datetime.fromisoformat(archive.trials[0].started_at)
    end = (begin + timedelta(seconds=seconds)).isoformat()
    trials = tuple(replace(r, ended_at=end) for r in archive.trials)
    numbers = figures.over_time(replace(archive, trials=trials)).numbers
    assert next(iter(numbers)).endswith(f"({unit})")
    assert numbers.iloc[0, 0] == pytest.approx(seconds / {"s": 1, "min": 60, "h": 3600}[unit])


def test_learning_curves_are_of_the_leading(archive):
    accuracy, loss = figures.learning_curves(archive)
    leading = [r.trial_id for r in archive.ranked[: figures.CURVES]]
    assert set(trials_in(accuracy)) == set(trials_in(loss)) == set(leading)
    first = archive.ranked[0]
    column = accuracy.numbers[f"trial {first.trial_id}"].dropna().tolist()
    assert column == [round(e.val_accuracy, 4) for e in first.history]


def test_pareto_front(archive):
    size, latency = figures.against_costs(archive)
    assert (size.name, latency.name) == ("size", "latency")
    on_front = set(size.numbers["trial"])
    cost = {r.trial_id: r.parameters for r in archive.ranked}
    score = {r.trial_id: r.best.val_accuracy for r in archive.ranked}
    for name in cost:
        beaten = any(
            cost[o] <= cost[name]
            and score[o] >= score[name]
            and (o, score[o]) != (name, score[name])
            for o in cost
        )
        assert (name in on_front) == (not beaten), name


def test_training_time_stands_in_for_latency_in_old_records(archive):
    old = tuple(
        replace(r, history=tuple(replace(e, scoring_seconds=None) for e in r.history))
        for r in archive.trials
    )
    names = [figure.name for figure in figures.against_costs(replace(archive, trials=old))]
    assert names == ["size", "epoch-time"]


def test_nothing_is_drawn_of_nothing(archive):
    nothing = replace(archive, trials=())
    assert figures.over_time(nothing) is None and figures.over_epochs(nothing) is None
    assert figures.learning_curves(nothing) == figures.against_costs(nothing) == []
    one = replace(archive, trials=archive.trials[:1])
    assert len(trials_in(figures.over_time(one))) == 1
