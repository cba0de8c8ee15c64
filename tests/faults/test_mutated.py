"""Damaged records: healed, passed over, or refused with the file's name; never a traceback."""

import json
import random
import re
import shutil

import pytest

import search
from search.reporting.archive import read_archive
from tests.conftest import SAMPLE, run_here
from tests.faults.mutated import mutate
from tests.made import made_run

BEGUN = ("--data", SAMPLE, "--trials", 4, "--max-epochs", 3, "--seed", 7, "--finals", 0)
BEGUN = (*BEGUN, "--workers", 1)


def attack(results, tmp_path, count, seed, command):
    """Runs a command on so many damaged copies; returns those that ended in a traceback."""
    bad = []
    for number in range(count):
        generator = random.Random(1000 * seed + number)
        copy = shutil.copytree(results, tmp_path / "copy")
        done = mutate(copy, generator)
        try:
            end = run_here(*command(copy))
        except BaseException as error:  # a test, which tells of all of them
            bad.append(f"{number}, {done}: {type(error).__name__}: {str(error)[:200]}")
        else:
            says = end.returncode == 0 or re.search(r"error: .*\S+\.\w+|error: .*copy", end.stderr)
            if end.returncode not in (0, 2) or not says:
                bad.append(f"{number}, {done}: {end.returncode}: {end.stderr[-300:]}")
        shutil.rmtree(copy)
    return bad


def counted(fast, slow):
    return pytest.mark.parametrize("count", [fast, pytest.param(slow, marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_run(tmp_path_factory.mktemp("made") / "results", 6)


@counted(30, 300)
def test_report(made, tmp_path, count):
    assert attack(made, tmp_path, count, 1, lambda r: ("search.report", "--results", r)) == []


@counted(30, 300)
def test_compare(made, tmp_path, count):
    assert attack(made, tmp_path, count, 2, lambda r: ("search.compare", r, made)) == []


def test_digits_in_quotation_marks_are_no_number(made, tmp_path):
    copy = shutil.copytree(made, tmp_path / "copy")
    facts = json.loads((copy / "run.json").read_text())
    facts["data"]["rows"]["train"] = "480"
    (copy / "run.json").write_text(json.dumps(facts))
    done = run_here("search.compare", copy, made)
    assert done.returncode == 2 and "run.json: cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("started_at", ""), ("started_at", "2026-01-01T00:00:00"), ("ended_at", None)],
)
def test_times_that_are_none(tmp_path, name, value):
    """Such a trial is passed over by those who look on."""
    results = made_run(tmp_path / "r", 4)
    path = results / "trials" / "0001" / "trial.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    assert len(read_archive(results).trials) == 3
    done = run_here("search.report", "--results", results)
    assert done.returncode == 0, done.stderr


def test_an_array_whose_header_never_ends(tmp_path):
    """Of NumPy's reader, tokenize's error comes through, which is no ValueError."""
    corpus = search.load_corpus(search.Settings(data=str(SAMPLE)))
    corpus.save(tmp_path / "c")
    assert corpus.is_saved(tmp_path / "c")
    path = tmp_path / "c" / "test_labels.npy"
    content = path.read_bytes()
    path.write_bytes(content[:100].replace(b")", b"(") + content[100:])
    assert not corpus.is_saved(tmp_path / "c")
    with pytest.raises(ValueError, match=r"test_labels.npy: is damaged"):
        search.Corpus.open(tmp_path / "c")


@counted(5, 200)
def test_report_of_a_real_run(sample_run, tmp_path, count):
    results = sample_run[0]
    assert attack(results, tmp_path, count, 3, lambda r: ("search.report", "--results", r)) == []


@counted(2, 100)
def test_run(sample_run, tmp_path, count):
    results = sample_run[0]
    command = lambda r: ("search.run", *BEGUN, "--results", r)  # noqa: E731
    assert attack(results, tmp_path, count, 4, command) == []


@counted(1, 100)
def test_export(sample_run, tmp_path, count):
    results = sample_run[0]
    command = lambda r: ("search.export", "--format", "saved_model", "--results", r)  # noqa: E731
    assert attack(results, tmp_path, count, 5, command) == []
