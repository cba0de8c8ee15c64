import json
from dataclasses import replace

import numpy as np
import pytest

from search.evaluation.calibration import correct
from search.evaluation.statistics import paired_difference
from search.reporting.archive import read_archive
from search.reporting.differences import compare
from search.tuning.rundir import RunDirectory
from tests.made import made_run


@pytest.fixture
def two(tmp_path):
    return tuple(
        read_archive(made_run(tmp_path / name, 6, rows=300, seed=seed))
        for seed, name in enumerate("ab")
    )


def test_a_run_with_itself(two):
    found = compare(two[0], two[0])
    assert found.differences == {} and found.rows == 300
    assert found.difference == 0 and found.p_value == 1
    assert all(a == b for a, b in found.facts.values())


def test_the_paired_test_is_on_the_rows_of_both(two):
    a, b = two
    # B validates on other rows: those from 100 to 399.
    np.save(b.cache / "validation_rows.npy", np.arange(100, 400))
    kept = np.load(a.cache / "validation_labels.npy")
    shifted = np.concatenate([kept[100:], np.zeros(100, np.int32)])
    found = compare(a, replace(b, labels=shifted))
    assert found.rows == 200
    hits = [
        correct(a.predictions("0001")[100:], kept[100:]),
        correct(b.predictions("0001")[:200], shifted[:200]),
    ]
    expected = paired_difference(hits[1], hits[0])
    assert (found.difference, *found.interval, found.p_value) == pytest.approx(expected)
    assert "on 200 validation rows" in found.verdict


def test_a_winner_that_is_better(two):
    a, b = two
    certain = np.stack([b.labels != 1, b.labels == 1], axis=1).astype(np.float32)[:, 1:]
    answers = {"networks": certain, "model": certain}
    RunDirectory(b.path).cache("f" * 64).save_answers(answers)
    assert "the winner of B is better than that of A: +" in compare(a, b).verdict
    assert "the winner of B is worse than that of A: -" in compare(b, a).verdict


def test_rows_of_other_data_are_not_the_same(two):
    a, b = two
    np.save(b.cache / "validation_offsets.npy", 7 * np.arange(301))
    found = compare(a, b)
    assert found.rows == 0 and found.p_value is None and "no paired test" in found.verdict
    (b.cache / "validation_rows.npy").unlink()
    assert "predictions of B's winner are not kept" in compare(a, b).verdict


def test_what_was_asked_for(two):
    a, b = two
    facts = json.loads(json.dumps(b.facts))
    facts["settings"] |= {"trials": 99, "workers": 7, "results": "elsewhere"}
    facts["identity"]["space.dropout"] = "[0.1, 0.5]"
    found = compare(a, replace(b, facts=facts))
    assert found.differences == {"trials": (6, 99), "space.dropout": (None, "[0.1, 0.5]")}


def test_a_killed_run_is_compared_by_its_leader(tmp_path, two):
    killed = read_archive(made_run(tmp_path / "c", 6, rows=300, seed=1, best=False))
    found = compare(two[0], killed)
    assert found.facts["state"] == ("finished", "stopped")
    assert found.facts["winner"][1] == killed.ranked[0].trial_id
    assert found.facts["test accuracy"][1] is None and found.rows == 300
