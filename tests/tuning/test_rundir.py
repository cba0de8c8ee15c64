"""The results directory: records come back, damage is set aside, other runs are refused."""

import pytest

from search.errors import ResultsError
from tests.made import record


def test_records_come_back(run):
    made = [record(0, 0.7, parameters=10, notes=("a",)), record(1, error="boom")]
    for r in made:
        run.trial(r.trial_id).save_record(r)
    assert run.records() == made
    assert run.said == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"trial_id": "0000"}', '{"a": 1}', "\0"])
def test_a_damaged_record_is_set_aside_twice_if_need_be(run, content):
    for _ in range(2):
        run.trial("0000").save_record(record(0, 0.7))
        run.trial("0000").path.joinpath("trial.json").write_text(content)
        assert run.records() == []
        assert "cannot be read" in run.said[-1]
    assert len(list(run.trials.glob("0000.unreadable*"))) == 2


def test_a_run_of_another_space_is_refused_with_both(run):
    drop = {"name": "dropout", "default": 0.3, "min_value": 0.0, "max_value": 0.7, "step": 0.1}
    pool = {"name": "pooling", "default": "max", "values": ["max", "mean"]}
    run.enter(
        {"identity": {"seed": 0, "space.dropout": drop, "space.pooling": pool}}, overwrite=True
    )
    fixed = {"seed": 0, "space.dropout": {"name": "dropout", "value": 0.2}}
    with pytest.raises(ResultsError) as error:
        run.enter({"identity": fixed})
    assert "space.dropout was 0.0..0.7 in steps of 0.1, now 0.2; " in str(error.value)
    assert "space.pooling was max,mean, now not set. " in str(error.value)
    assert f"; --warm-start {run.path} tries the best" in str(error.value)


def test_a_run_of_other_settings_is_refused_by_name(run):
    with pytest.raises(ResultsError, match=r"seed was 0, now 1\. .*--overwrite.*--results"):
        run.enter({"identity": {"seed": 1}, "started_at": "now"})
