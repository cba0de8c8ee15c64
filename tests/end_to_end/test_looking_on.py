"""A report of a search that goes on, made beside it, and of one that was killed."""

from search.reporting.archive import read_archive
from search.reporting.report import NAME
from tests.conftest import run_here
from tests.faults.conftest import start, wait_until


def report(results):
    done = run_here("search.report", "--results", results)
    assert done.returncode == 0, done.stderr
    return (results / NAME).read_text(encoding="utf-8")


def test_while_it_goes_on_and_after_a_kill(tmp_path):
    results = tmp_path / "results"
    search = start(results, "--trials", "500")
    try:
        wait_until(lambda: (results / NAME).exists(), 240)
        assert "The search is running" in (results / NAME).read_text(encoding="utf-8")
        html = report(results)
        assert "The search is running" in html and 'class="dot' in html
        assert search.poll() is None, "the search does not mind"
        before = len(read_archive(results).ended)
        wait_until(lambda: len(read_archive(results).ended) > before)
    finally:
        search.kill()
        search.communicate()
    assert (results / "owner.json").exists()
    html = report(results)
    assert "The search was stopped after" in html and "of 500 trials" in html
    assert 'id="figure-confusion"' in html, "of the best trial so far"
