"""Which epoch of a trial counts, and which trial is best."""

from search.tuning.records import Epoch, best_epoch, ranked
from tests.made import record


def test_ranking():
    records = [
        record(0, 0.7, loss=0.6),
        record(1),
        record(2, 0.8),
        record(3, 0.7, loss=0.5),
        record(4, 0.7, loss=0.5),
    ]
    assert [r.number for r in ranked(records)] == [2, 3, 4, 0]


def epochs(*accuracies):
    return tuple(Epoch(n, 0.5, 0.5, a, 1.0, a) for n, a in enumerate(accuracies, start=1))


def test_best_epoch():
    assert best_epoch(()) is None
    assert best_epoch(epochs(0.5, 0.7, 0.7)).epoch == 2
    lower_loss = (*epochs(0.7), Epoch(2, 0.5, 0.4, 0.7, 1.0, 0.7))
    assert best_epoch(lower_loss).epoch == 2
