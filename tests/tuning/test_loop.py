"""The loop comes to its end, whatever is asked for; trials only take time, and the clock jumps."""

import itertools

import pytest

from search.tuning import finals
from search.tuning.loop import MOST_BEGINNINGS
from search.tuning.rundir import RunDirectory
from tests.benchmarks import scale

ALGORITHMS = ("random", "grid", "bayesian", "hyperband", "tpe")


def cases():
    """Every combination; a fast one of each algorithm."""
    for case in itertools.product(ALGORITHMS, (0, 1, 3), (1, 2, 3)):
        yield pytest.param(*case, marks=() if case[1:] == (3, 2) else pytest.mark.slow)


@pytest.mark.parametrize(("tuner", "finalists", "reduction"), [*cases()])
def test_every_search_ends(tmp_path, monkeypatch, tuner, finalists, reduction):
    monkeypatch.setattr(scale, "LUCK", 0.05)  # so much that a trial which goes on often wins
    options = {"finals": finalists, "folds": 2, "reduction": reduction, "max_epochs": 4}
    scale.simulate(2, 12, tmp_path, tuner=tuner, **options)
    found = RunDirectory(tmp_path).records()
    trials = {record.trial_id: record for record in found if not record.is_final}
    assert len(trials) == 12 and len(found) == 12 + 2 * finalists
    assert {record.status for record in found} <= {"completed", "pruned"}
    for final in (record for record in found if record.is_final):
        best = trials[final.trial_id.partition("-")[0]].best
        assert [epoch.epoch for epoch in final.history] == list(range(1, best.epoch + 1))
    if (tuner, finalists) == ("hyperband", 3):
        assert any(record.is_final and record.values["tuner/round"] for record in found)


def test_what_would_be_begun_for_ever_fails(tmp_path, monkeypatch):
    """A final that never counts as there, as hyperband's once did not."""
    monkeypatch.setattr(
        finals, "is_settled", lambda final, trial: final is not None and final.status == "failed"
    )
    scale.simulate(1, 1, tmp_path, finals=1, folds=2)
    trial, final, _ = RunDirectory(tmp_path).records()
    assert trial.status == "completed" and final.status == "failed"
    assert final.error.endswith(f"begun {MOST_BEGINNINGS} times, and it never came to an end")
