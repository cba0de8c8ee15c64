import numpy as np

from search.reporting.importance import FEWEST, importances, searched
from tests.made import SPACE, record


def trials(count, score):
    generator = np.random.default_rng(0)
    found = []
    for number in range(count):
        values = {
            "units": int(generator.choice([16, 32, 64])),
            "pooling": str(generator.choice(["max", "mean"])),
            "rate": float(10 ** generator.uniform(-4, -1)),
            "batch_size": 8,
        }
        accuracy = score(values) + generator.normal(0, 0.005)
        found.append(record(number, accuracy, values=values, space={"space": SPACE}))
    return found


def test_what_matters_is_first():
    found = importances(trials(100, lambda v: 0.5 + 0.1 * np.log2(v["units"])))
    assert next(iter(found)) == "units" and found["units"] > 0.8
    assert set(found) == {"units", "pooling", "rate"}
    found = importances(trials(100, lambda v: 0.7 - 0.1 * abs(np.log10(v["rate"]) + 2)))
    assert next(iter(found)) == "rate"


def test_nothing_is_said_of_few_or_of_equal_trials():
    assert importances(trials(FEWEST - 1, lambda v: v["rate"])) == {}
    assert importances([record(n, 0.5, space={"space": SPACE}) for n in range(50)]) == {}


def test_what_is_searched():
    assert set(searched([record(0, space={"space": SPACE})])) == {"units", "pooling", "rate"}
    assert searched([record(0)]) == {}
