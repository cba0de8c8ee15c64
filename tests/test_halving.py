"""Which trials are stopped early, and which of them go on after all."""

import pytest

from search.tuning.halving import Halving
from search.tuning.records import Epoch, TrialRecord

RULE = Halving(min_epochs=1, reduction=3, max_epochs=10)


def history(*accuracies):
    return tuple(Epoch(n, 0.5, 0.5, a, 1.0, a) for n, a in enumerate(accuracies, start=1))


def trial(number, *accuracies, status="pruned"):
    return TrialRecord(
        trial_id=f"{number:04d}",
        status=status,
        values={},
        seed=0,
        space={},
        batch_size=64,
        started_at="",
        history=history(*accuracies),
    )


@pytest.mark.parametrize(
    ("rule", "rungs"),
    [
        (RULE, (1, 3, 9)),
        (Halving(1, 3, 9), (1, 3)),
        (Halving(2, 2, 20), (2, 4, 8, 16)),
        (Halving(5, 3, 4), ()),
        (Halving(1, 1, 10), ()),
    ],
)
def test_rungs(rule, rungs):
    assert rule.rungs == rungs


def test_the_best_so_far_is_never_stopped():
    assert not RULE.stops(history(0.5), [])
    assert not RULE.stops(history(0.7), [trial(0, 0.6)])
    assert RULE.stops(history(0.6), [trial(0, 0.7)])


def test_the_best_third_goes_on():
    others = [trial(n, 0.5 + n / 100) for n in range(8)]  # 0.50 … 0.57
    assert not RULE.stops(history(0.555), others), "third of nine"
    assert RULE.stops(history(0.545), others), "fourth of nine"


def test_between_rungs_nobody_is_stopped():
    assert not RULE.stops(history(0.1, 0.1), [trial(0, 0.9, 0.9)])


def test_the_best_epoch_counts_up_to_the_rung():
    others = [trial(0, 0.6, 0.6, 0.6, 0.9, status="completed")]
    assert not RULE.stops(history(0.7, 0.5, 0.5), others), "0.9 came after the rung"


def test_what_ended_early_by_itself_counts_as_it_was():
    assert RULE.stops(history(0.7, 0.5, 0.5), [trial(0, 0.8, 0.7, status="completed")])
    assert not RULE.stops(history(0.7, 0.5, 0.5), [trial(0, 0.8, status="pruned")])
    assert not RULE.stops(history(0.7), [trial(0, 0.8, status="failed")])


def test_a_stopped_trial_goes_on_when_those_after_it_are_weaker():
    good = trial(1, 0.65)
    others = [trial(0, 0.7, 0.7, 0.7, 0.7, status="completed")]
    assert RULE.promoted([good, *others]) is None, "second of two"
    weaker = [trial(n, 0.5) for n in range(2, 6)]
    assert RULE.promoted([good, *others, *weaker]) is good, "second of six"


def test_the_highest_rung_goes_first_then_the_best():
    low = [trial(n, 0.6 + n / 100) for n in range(4)]
    high = [trial(4, 0.5, 0.5, 0.6), *(trial(n, 0.5, 0.5, 0.5) for n in range(5, 8))]
    assert RULE.promoted([*low, *high]) is high[0]
    assert RULE.promoted(low) is low[3]


def test_what_lack_of_time_stopped_goes_on_first():
    cut = trial(0, 0.1, 0.1)
    assert RULE.promoted([trial(1, 0.9), cut]) is cut


def test_whether_a_state_may_be_needed():
    records = [trial(n, 0.9 - n / 100) for n in range(6)]
    assert [RULE.may_go_on(r, records, trials=9) for r in records] == [True] * 3 + [False] * 3
    assert RULE.may_go_on(trial(9, 0.1, 0.1), records, trials=9), "it was cut between rungs"


def test_equal_trials_do_not_all_go_on():
    records = [trial(n, 0.6) for n in range(9)]
    assert RULE.stops(history(0.6), records)
    assert RULE.promoted(records) is None
