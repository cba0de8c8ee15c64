"""`python -m search.predict`: what a user does with a model."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from search.predict import app
from tests.conftest import ROOT, SAMPLE, loaded, processor_time, run_command, run_here

TEXTS = ["a warm and funny film", "dull, and far too long", ""]


def predict(*arguments, by=run_here):
    return by("search.predict", *arguments)


@contextlib.contextmanager
def started(*arguments, **options):
    """The command with pipes to talk to it."""
    with subprocess.Popen(
        [sys.executable, "-m", "search.predict", *map(str, arguments)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_texts_as_arguments(sample_run):
    results = sample_run[0]
    p = loaded(results / "best_model.keras")(TEXTS)[:, 0]
    done = predict("--results", results, *TEXTS, by=run_command)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for line, text, second in zip(done.stdout.splitlines(), TEXTS, p, strict=True):
        label, probability, mark, given = line.split("\t")
        assert given == text and mark in ("-", "abstain")
        assert label == ("positive" if second > 0.5 else "negative")
        assert float(probability) == pytest.approx(max(second, 1 - second), abs=1e-4)
    done = predict("--results", results, "--json", *TEXTS)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in found] == TEXTS
    np.testing.assert_allclose([row["probabilities"]["positive"] for row in found], p, atol=1e-5)


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_a_filter_answers_every_line_at_once(model_file, arguments):
    with started("--model", model_file, *arguments) as process:
        for text in ("a fine film", "", "dull"):
            process.stdin.write(f"{text}\n".encode())
            process.stdin.flush()
            line = process.stdout.readline().decode()  # hangs if it waits for more
            assert line.rstrip("\n").split("\t")[3] == text
        assert process.communicate(timeout=30) == (b"", b"")
        assert process.returncode == 0


def piped_on_one_core(model, texts):
    """What the filter prints for texts after its first answer, and in how many seconds of work."""
    one_core = {"preexec_fn": lambda: os.sched_setaffinity(0, [0])}
    with started("--model", model, **one_core) as process:
        process.stdin.write(b"first\n")
        process.stdin.flush()
        process.stdout.readline()
        before, out = psutil.Process(process.pid).cpu_times(), b""

        def answer():
            nonlocal out
            out, _ = process.communicate("\n".join(texts).encode(), timeout=120)

        seconds = processor_time(answer) - before.user - before.system
        return out.decode(), seconds


def test_a_filter_keeps_up(model_file):
    """A thousand sentences a second on one core, after it has started; here of a small model."""
    texts = pd.read_csv(SAMPLE)["text"].str.split(". ", regex=False).explode().tolist()
    texts = [text for text in texts if text] * 20
    out, seconds = piped_on_one_core(model_file, texts)
    lines = out.split("\n")[:-1]
    assert [line.split("\t", 3)[3] for line in lines] == texts
    assert len(texts) / seconds > 1000


def test_a_reader_that_leaves(model_file):
    """As in `… | head -1`: no complaint."""
    with started("--model", model_file) as process:
        process.stdin.write(b"a line\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(b"a line\n" * 10_000)
        assert process.stderr.read() == b""
        process.wait(timeout=30)


def test_a_file(sample_run, tmp_path):
    results = sample_run[0]
    reviews = tmp_path / "reviews.csv"
    reviews.write_bytes(SAMPLE.read_bytes())
    done = predict("--results", results, "--file", reviews, by=run_command)
    assert done.returncode == 0, done.stderr
    target = tmp_path / "reviews.predicted.csv"
    assert done.stdout.splitlines()[-1] == f"answers: {target}"
    frame, before = pd.read_csv(target), pd.read_csv(SAMPLE)
    pd.testing.assert_frame_equal(frame[list(before)], before)
    p = loaded(results / "best_model.keras")(before["text"].tolist())[:, 0]
    assert ((frame["predicted_label"] == "positive") == (p > 0.5)).all()
    np.testing.assert_allclose(frame["predicted_probability"], np.maximum(p, 1 - p), atol=1e-5)
    assert f"positive: {(p > 0.5).sum()} rows" in done.stdout
    done = predict("--results", results, "--file", reviews, "--json", "-q")
    assert done.stderr == ""
    assert json.loads(done.stdout)["rows"] == 300


def test_stopped_while_it_writes(model_file, tmp_path):
    """SIGTERM leaves neither half an answer nor a temporary file."""
    reviews = tmp_path / "reviews.jsonl"
    line = json.dumps({"text": "a fine film " * 60}) + "\n"
    reviews.write_text(line * 300_000)

    def begun():
        return any(path.stat().st_size for path in tmp_path.glob("*.partial"))

    with started("--model", model_file, "--file", reviews) as process:
        while process.poll() is None and not begun():
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 143, stderr
    assert b"Traceback" not in stderr
    assert [p.name for p in tmp_path.iterdir()] == ["reviews.jsonl"]


BAD = {
    "no model": (["x"], "results/best_model.keras: cannot be read: no such file.*--results DIR"),
    "a file as results": (["--results", "a.csv", "x"], "cannot be read: Not a directory"),
    "a foreign file": (["--model", "a.csv", "x"], "a.csv: not a .keras file"),
    "texts and a file": (["--file", "a.csv", "x"], "texts or --file, found both: 'x' and a.csv"),
    "no file": (["--file", "b.csv"], "b.csv: no such file"),
    "another format": (["--file", "a.csv", "--output", "b.jsonl"], "must end in .csv"),
    "its own input": (["--file", "a.csv", "--output", "a.csv"], "is what is read"),
    "an output without a file": (["--output", "b.csv", "x"], "--output needs --file"),
    "a column without a file": (["--text-column", "b", "x"], "--text-column needs --file"),
    "an unknown option": (["--modle", "x"], "No such option"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(tmp_path, monkeypatch, name):
    options, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("text\nfine\n", encoding="utf-8")
    result = CliRunner().invoke(app, options, prog_name="python -m search.predict")
    assert result.exit_code == 2, result.exception
    assert pd.Series([" ".join(result.stderr.split())]).str.contains(message).all(), result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_line_that_is_no_text(model_file):
    with started("--model", model_file) as process:
        out, stderr = process.communicate(b"fine\n" * 20_000 + b"caf\xe9\n", timeout=60)
    assert process.returncode == 2
    assert stderr.startswith(b"error: standard input: line 20001 has the byte 0xe9")
    assert out.count(b"\n") > 10_000, "what came before it is answered"


def test_an_unknown_column_names_what_there_is(model_file, tmp_path):
    (tmp_path / "a.csv").write_text("words,n\nfine,1\n", encoding="utf-8")
    done = predict("--model", model_file, "--file", tmp_path / "a.csv", "--text-column", "text")
    assert done.returncode == 2
    assert "there is no column 'text'; its columns are: words, n" in done.stderr
    done = predict("--model", model_file, "--file", tmp_path / "a.csv", "--text-column", "words")
    assert done.returncode == 0, done.stderr


def test_help_is_quick_and_whole():
    done = predict("--help", by=run_command)
    assert done.returncode == 0 and "python -m search.predict" in done.stdout
    assert min(processor_time(lambda: predict("--help", by=run_command)) for _ in range(2)) < 0.5
    for parameter in get_command(app).params:
        assert getattr(parameter, "help", None), f"{parameter.name} has no help"
