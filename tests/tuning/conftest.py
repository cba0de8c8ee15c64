"""What several tests of search/tuning need."""

import pytest

from search.tuning.rundir import RunDirectory


@pytest.fixture
def run(tmp_path):
    said = []
    directory = RunDirectory(tmp_path / "results", said.append)
    directory.said = said
    with directory.claimed():
        directory.enter({"identity": {"seed": 0}, "started_at": "now"})
        yield directory
