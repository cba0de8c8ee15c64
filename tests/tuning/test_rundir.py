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


def test_a_run_of_other_settings_is_refused_by_name(run):
    with pytest.raises(ResultsError, match=r"seed was 0, now 1\. .*--overwrite.*--results"):
        run.enter({"identity": {"seed": 1}, "started_at": "now"})
