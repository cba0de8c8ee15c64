"""Results directories made without training, by the functions that write real ones."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from search.corpus.encode import encode, learn_vocabulary
from search.corpus.store import Corpus, Split
from search.evaluation.calibration import tempered
from search.files import write_json
from search.network.space import Configuration
from search.settings import Settings
from search.tables import write_table
from search.tuning.records import Epoch, TrialRecord
from search.tuning.rundir import RunDirectory
from search.tuning.study import whole_shape
from search.tuning.training import TrainTask
from tests.conftest import SAMPLE

SPACE = [
    {"class_name": "Choice", "config": {"name": "units", "values": [16, 32, 64], "default": 16}},
    {"class_name": "Choice", "config": {"name": "pooling", "values": ["max", "mean"]}},
    {
        "class_name": "Float",
        "config": {"name": "rate", "min_value": 1e-4, "max_value": 0.1, "sampling": "log"},
    },
    {"class_name": "Fixed", "config": {"name": "batch_size", "value": 8}},
]
HOSTILE = (
    "</script><script>document.title='hacked'</script>",
    "<img src=x onerror=\"document.title='hacked'\">",
    "\"'><b>bold</b> \x1b[31mred\x1b[0m \x1b]0;title\x07 {{ 7*7 }} {% raw %}",
    '=HYPERLINK("http://nowhere.invalid","x")',
    "\u202eturned round\u202c",
)


def record(number, accuracy=None, loss=0.5, **changes):
    history = () if accuracy is None else (Epoch(1, 0.6, loss, accuracy, 1.5, accuracy),)
    options = dict(
        trial_id=f"{number:04d}",
        status="failed" if accuracy is None else "completed",
        values={"dropout": 0.1},
        seed=number,
        space={"space": [], "values": {}},
        batch_size=64,
        started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T00:00:09+00:00",
        history=history,
    )
    return TrialRecord(**{**options, **changes})


def made_run(results, count=30, *, rows=60, classes=("negative", "positive"), best=True, seed=0):
    """A run of `count` trials, of which the last failed; returns the results directory."""
    generator = np.random.default_rng(seed)
    directory = RunDirectory(results)
    settings = Settings(results=results, trials=max(1, count), finals=0, data="made.csv")
    facts = {
        "identity": {"data_fingerprint": "f" * 64},
        "settings": settings.model_dump(mode="json"),
        "data": {"rows": {"train": 480, "validation": rows, "test": rows, "unlabelled": 0}},
        "class_names": list(classes),
        "version": "0",
        "machine": {"python": "3", "platform": "Linux", "cores": 2, "memory_bytes": 8e9},
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    labels = np.random.default_rng(42).integers(len(classes), size=rows).astype(np.int32)
    with directory.claimed():
        directory.enter(facts)
        for number in range(count):
            record = _record(number, generator, failed=number == count - 1)
            directory.trial(record.trial_id).save_record(record)
            if record.status != "failed":
                directory.trial(record.trial_id).save_predictions(
                    _predictions(generator, labels, len(classes))
                )
        cache = results / "cache" / ("f" * 16)
        cache.mkdir(parents=True)
        offsets = 5 * np.arange(rows + 1)
        for name, array in (("labels", labels), ("rows", np.arange(rows)), ("offsets", offsets)):
            np.save(cache / f"validation_{name}.npy", array)
        if best:
            kept = directory.trial("0001").load_predictions(rows)
            directory.cache("f" * 64).save_answers({"networks": kept, "model": tempered(kept, 1.3)})
            _conclude(results, classes, rows)
    return results


def _record(number, generator, *, failed):
    rate = float(10 ** generator.uniform(-4, -1))
    units = int(generator.choice([16, 32, 64]))
    level = 0.5 + 0.1 * np.log2(units / 8) - 0.05 * abs(np.log10(rate) + 2.5)
    accuracies = level + generator.normal(0, 0.02, size=int(generator.integers(1, 6)))
    begun = datetime.fromisoformat("2026-01-01T00:00:00+00:00") + timedelta(seconds=10 * number)
    history = tuple(
        Epoch(n, 0.6 / n, 0.7 / n, float(a), 1.0, float(a), 0.1 + units / 100)
        for n, a in enumerate(accuracies, start=1)
    )
    return TrialRecord(
        trial_id=f"{number:04d}",
        status="failed" if failed else "pruned" if len(history) < 3 else "completed",
        values={
            "units": units,
            "pooling": str(generator.choice(["max", "mean"])),
            "rate": rate,
            "batch_size": 8,
        },
        seed=number,
        space={"space": SPACE, "values": {}},
        batch_size=8,
        started_at=begun.isoformat(),
        ended_at=(begun + timedelta(seconds=9)).isoformat(),
        history=history,
        parameters=1000 * units + number,
        error="ValueError: <b>no</b> \x1b[2J" if failed else None,
    )


def _predictions(generator, labels, classes):
    scores = generator.normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] += 1.5
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return p[:, 1:].astype(np.float32) if classes == 2 else p.astype(np.float32)


def model_facts(classes=("negative", "positive"), rows=60):
    """The content of a best_model.json."""
    ends = {"val_accuracy_ci": [0.7, 0.9], "test_accuracy_ci": [0.6, 0.8]}
    return {
        **ends,
        "trial_id": "0001",
        "weights": "0001",
        "hyperparameters": {"units": 16},
        "class_names": list(classes),
        "val_accuracy": 0.8,
        "test_accuracy": 0.7,
        "val_rows": rows,
        "test_rows": rows,
        "temperature": 1.3,
        "baselines": [],
        "calibration_error": {"before": 0.1, "after": 0.05},
        "abstain": None,
        "weak_slices": [],
        "verdict": "the network is better than TF-IDF",
    }


def _conclude(results, classes, rows):
    write_json(results / "best_model.json", model_facts(classes, rows))
    write_json(results / "audit.json", {"lines": ["LEAK: " + HOSTILE[0], *HOSTILE]})
    mistakes = pd.DataFrame({"row": range(len(HOSTILE)), "text": HOSTILE, "label": classes[0]})
    mistakes = mistakes.assign(
        predicted=classes[1], probability=0.9, loss=2.0, likely_mislabelled=False
    )
    write_table(results / "errors.csv", mistakes)
    names = [f"class {classes[0]}", "negation"]
    columns = {"rows": 30, "low": 0.5, "high": 0.9, "rest_accuracy": 0.8, "p_value": 0.01}
    slices = pd.DataFrame({"slice": names, "accuracy": [0.6, 0.8]}).assign(**columns)
    write_table(results / "slices.csv", slices.assign(below_rest=[True, False]))


def corpus_of(texts, labels, names=("no", "yes"), folds=3):
    """A corpus with the same texts in every split, but a word that training has not."""
    array = np.array(texts, dtype=object)
    vocabulary, [known] = learn_vocabulary(array)
    rows, classes = np.arange(len(texts)), np.array(labels, np.int32)
    other = array + " unheard"
    train = Split(*known, classes, rows, array)
    other_split = Split(*encode(other, vocabulary), classes, rows, other)
    numbers = (np.arange(2 * len(texts)) % folds).astype(np.int8)
    return Corpus(train, other_split, other_split, other_split, names, vocabulary, numbers, "", {})


def first_epoch_of(corpus, folder, embedding_init, **changes):
    """The task to train the first epoch of a small trial, on a corpus that is saved to a folder."""
    corpus.save(folder)
    configuration = Configuration(embedding_dim=8, lstm_units=8, embedding_init=embedding_init)
    return TrainTask(
        corpus=str(folder),
        configuration=configuration,
        hypermodel=None,
        shape=whole_shape(corpus).of(configuration),
        trial_id="0000",
        values={},
        seed=1,
        batch_size=8,
        from_epoch=0,
        to_epoch=1,
        threads=1,
        **changes,
    )


def quick_settings(results, **changes):
    """Settings of a search of the sample that takes a few seconds, finals included; its corpus is
    the fixture `quick_corpus`."""
    usual = dict(
        data=str(SAMPLE), results=results, trials=3, max_epochs=2, workers=1, seed=2, finals=1,
        folds=2, set="ngrams=words",
    )  # fmt: skip
    return Settings(**{**usual, **changes})
