"""Which trials are stopped early, and which of them go on after all."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from search.tuning.early_stopping import Halving, RungTable, _score, finished
from search.tuning.records import Epoch, TrialRecord

RULE = Halving(min_epochs=1, reduction=3, max_epochs=10)


def stops(history, others):
    running = [other.history for other in others if other.status == "running"]
    return RungTable(RULE, others).stops(history, running)


def promoted(records):
    return RungTable(RULE, records).promoted()


def may_go_on(record, records, trials):
    return RungTable(RULE, records).may_go_on(record, trials)


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
    ("accuracies", "patience", "over"),
    [
        ((), 2, False),
        ((0.5, 0.6), 0, False),
        ((0.6, 0.5), 0, True),
        ((0.6, 0.5), 1, True),
        ((0.6, 0.5), 2, False),
        ((0.6, 0.5, 0.5), 2, True),
        ((0.6, 0.5, 0.7, 0.5), 2, False),
        ((0.1,) * 10, 20, True),
    ],
)
def test_a_trial_is_over(accuracies, patience, over):
    assert finished(history(*accuracies), last_epoch=10, patience=patience) is over


@pytest.mark.parametrize("patience", [0, 1, 2, 3, 5])
def test_patience_is_that_of_keras(patience):
    generator = np.random.default_rng(patience)
    for _ in range(50):
        accuracies = generator.permutation(20) / 20
        callback = keras.callbacks.EarlyStopping("val_accuracy", patience=patience, mode="max")
        callback.set_model(keras.Sequential())
        callback.on_train_begin()
        callback.model.stop_training = False
        for done in range(1, 21):
            callback.on_epoch_end(done - 1, {"val_accuracy": accuracies[done - 1]})
            stopped = callback.model.stop_training or done == 20
            assert finished(history(*accuracies[:done]), 20, patience) == stopped
            if stopped:
                break


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
    assert not stops(history(0.5), [])
    assert not stops(history(0.7), [trial(0, 0.6)])
    assert stops(history(0.6), [trial(0, 0.7)])


def test_the_best_third_goes_on():
    others = [trial(n, 0.5 + n / 100) for n in range(8)]  # 0.50 … 0.57
    assert not stops(history(0.555), others), "third of nine"
    assert stops(history(0.545), others), "fourth of nine"


def test_between_rungs_nobody_is_stopped():
    assert not stops(history(0.1, 0.1), [trial(0, 0.9, 0.9)])


def test_the_best_epoch_counts_up_to_the_rung():
    others = [trial(0, 0.6, 0.6, 0.6, 0.9, status="completed")]
    assert not stops(history(0.7, 0.5, 0.5), others), "0.9 came after the rung"


def test_what_ended_early_by_itself_counts_as_it_was():
    assert stops(history(0.7, 0.5, 0.5), [trial(0, 0.8, 0.7, status="completed")])
    assert not stops(history(0.7, 0.5, 0.5), [trial(0, 0.8, status="pruned")])
    assert not stops(history(0.7), [trial(0, 0.8, status="failed")])


def test_a_stopped_trial_goes_on_when_those_after_it_are_weaker():
    good = trial(1, 0.65)
    others = [trial(0, 0.7, 0.7, 0.7, 0.7, status="completed")]
    assert promoted([good, *others]) is None, "second of two"
    weaker = [trial(n, 0.5) for n in range(2, 6)]
    assert promoted([good, *others, *weaker]) is good, "second of six"


def test_the_highest_rung_goes_first_then_the_best():
    low = [trial(n, 0.6 + n / 100) for n in range(4)]
    high = [trial(4, 0.5, 0.5, 0.6), *(trial(n, 0.5, 0.5, 0.5) for n in range(5, 8))]
    assert promoted([*low, *high]) is high[0]
    assert promoted(low) is low[3]


def test_what_lack_of_time_stopped_goes_on_first():
    cut = trial(0, 0.1, 0.1)
    assert promoted([trial(1, 0.9), cut]) is cut


def test_whether_a_state_may_be_needed():
    records = [trial(n, 0.9 - n / 100) for n in range(6)]
    assert [may_go_on(r, records, trials=9) for r in records] == [True] * 3 + [False] * 3
    assert may_go_on(trial(9, 0.1, 0.1), records, trials=9), "it was cut between rungs"


def test_equal_trials_do_not_all_go_on():
    records = [trial(n, 0.6) for n in range(9)]
    assert stops(history(0.6), records)
    assert promoted(records) is None


def place(history, others):
    """The rank of a trial among all that came as far as it, and how many they are: the rule."""
    epochs = len(history)
    scores = [
        _score(other.history, epochs)
        for other in others
        if other.status == "completed" or len(other.history) >= epochs
        if other.status != "failed" and other.history
    ]
    return 1 + sum(score <= _score(history, epochs) for score in scores), 1 + len(scores)


def by_the_rule(records):
    """Who is promoted, found by looking at everybody."""
    found = []
    for record in records:
        if record.status == "pruned":
            epochs = len(record.history)
            rank, count = place(record.history, [r for r in records if r is not record])
            between = epochs not in RULE.rungs
            if between or rank <= count // RULE.reduction:
                found.append((not between, -epochs, rank, record.number, record))
    return min(found)[-1] if found else None


@pytest.mark.parametrize("seed", range(20))
def test_the_kept_order_says_what_looking_at_everybody_says(seed):
    """Trials come, end, are stopped, go on and fail, with many equal scores among them."""
    generator = np.random.default_rng(seed)
    rungs, records = RungTable(RULE), {}
    for _ in range(150):
        name = int(generator.integers(40))
        status = str(generator.choice(["running", "pruned", "completed", "failed"]))
        accuracies = generator.integers(50, 60, size=generator.choice([1, 1, 2, 3, 3, 9])) / 100
        records[name] = trial(name, *accuracies, status=status)
        if status == "running" and generator.random() < 0.5:
            records[name] = replace(records[name], history=())
        rungs.put(records[name])
        ended = [record for record in records.values() if record.status != "running"]
        assert rungs.promoted() == by_the_rule(ended)
        mine = records.pop(name)
        if mine.history:
            rank, count = place(mine.history, records.values())
            # Its own place does not count.
            rungs.put(replace(mine, status="running"))
            running = [r.history for r in records.values() if r.status == "running"]
            weak = len(mine.history) in RULE.rungs and rank > max(1, count // RULE.reduction)
            assert rungs.stops(mine.history, running) == weak
            rungs.put(mine)
            if mine.status == "pruned":
                rank, _ = place(
                    mine.history, [r for r in records.values() if r.status != "running"]
                )
                wanted = len(mine.history) not in RULE.rungs or rank <= 30 // RULE.reduction
                assert rungs.may_go_on(mine, trials=30) == wanted
        records[name] = mine
