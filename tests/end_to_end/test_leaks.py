"""Leaks between files that a user gives: they are said, and removed where that is asked for."""

import json

import pandas as pd
import pytest

import search
from tests.conftest import SAMPLE, run_here, settings_of


@pytest.fixture
def leaking(tmp_path):
    """The sample reviews, of which 12 are also in a test file, edited a little."""
    table = pd.read_csv(SAMPLE)
    own, other = table.iloc[:240], table.iloc[240:]
    edited = own.iloc[:12].assign(text=own["text"].iloc[:12].str.upper() + " Indeed!")
    own.to_csv(tmp_path / "train.csv", index=False)
    pd.concat([other, edited]).to_csv(tmp_path / "test.csv", index=False)
    return tmp_path


def arguments(folder):
    return (
        *("search.run", "--data", folder / "train.csv", "--test", folder / "test.csv"),
        *("--trials", 1, "--max-epochs", 1, "--workers", 1, "--finals", 0, "--set", "ngrams=none"),
        *("--results", folder / "results"),
    )


def test_the_audit_alone(leaking):
    done = run_here(*arguments(leaking), "--audit-only")
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith("LEAK: 15.3% of test (11 rows) is near-duplicate of train")
    assert "--remove-leaks" in first
    left = {p.name for p in (leaking / "results").iterdir()}
    assert left - {".lock"} == {"audit.json", "artefacts.json"}
    found = json.loads((leaking / "results" / "audit.json").read_text())
    assert found["lines"] == done.stdout.splitlines()


def test_a_leak_is_said_and_removed_where_that_is_asked_for(leaking):
    done = run_here(*arguments(leaking), "-q")
    assert done.returncode == 0 and "LEAK: 15.3% of test" in done.stderr
    again = run_here(*arguments(leaking), "--remove-leaks")
    assert again.returncode == 2 and "data_fingerprint was" in again.stderr
    assert "LEAK" not in again.stderr
    facts = search.load_corpus(settings_of(*arguments(leaking)[1:], "--remove-leaks")).facts
    rows = facts["rows"]
    assert rows["train"] + rows["validation"] == 228 and rows["test"] == 72
    assert not any(line.startswith("LEAK") for line in facts["audit"]["lines"])
