"""What decides a result, computed once in a process of its own: a digest of each, as JSON.

    python -m tests.digests THREADS [tensorflow]

computes with so many threads of BLAS where nobody says otherwise.
"""

import hashlib
import json
import sys
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from search.corpus.batches import evaluation_batches, training_batches
from search.corpus.store import Corpus, Split
from search.corpus.words import word_features
from search.evaluation.baselines import baselines
from search.evaluation.ngram_models import fitted_models
from search.evaluation.resampling import bootstrap_interval, row_values
from search.network.space import Configuration
from search.network.weights import Shape, initial_weights
from search.tuning.engine import Engine, FastEngine, KerasEngine, predict
from search.tuning.objective import evaluate, statistic

WORDS, ROWS, CLASSES = 3000, 1500, 3
SHAPE = Shape(WORDS + 2, CLASSES, 30)


def corpus() -> Corpus:
    """Texts of random words, some more frequent than others, that tell three classes apart."""
    generator = np.random.default_rng(5)

    names, vocabulary = ("a", "b", "c"), tuple(f"w{n}" for n in range(WORDS))
    words = np.array(["", "", *vocabulary], dtype=object)

    def drawn(rows: int) -> Split:
        labels = generator.integers(0, CLASSES, rows).astype(np.int32)
        lengths = generator.integers(5, 40, rows)
        skewed = generator.random(lengths.sum()) ** 3 * WORDS
        ids = 2 + (skewed + 40 * np.repeat(labels, lengths)).astype(np.int32) % WORDS
        offsets = np.concatenate([[0], lengths.cumsum()])
        texts = [" ".join(words[part]) for part in np.split(ids, offsets[1:-1])]
        return Split(ids, offsets, labels, np.arange(rows), np.array(texts, dtype=object))

    splits = dict(train=drawn(ROWS), validation=drawn(300), test=drawn(10), unlabelled=drawn(300))
    return Corpus(
        **splits,
        class_names=names,
        vocabulary=vocabulary,
        folds=(np.arange(ROWS + 300) % 3).astype(np.int8),
        fingerprint="",
        facts={},
    )


def decided() -> dict[str, list[Any]]:
    """What is decided without TensorFlow, by name."""
    data, generator = corpus(), np.random.default_rng(6)
    features = word_features(data, WORDS + 2, 96)
    configuration = Configuration(embedding_dim=96, lstm_units=128, clipnorm=0.5, batch_size=256)
    engine = FastEngine(configuration, SHAPE, initial_weights(configuration, SHAPE, 1, features))
    loss = engine.train_epoch(batches(data), 1, 0)
    p = generator.random((12_000, 1)).astype(np.float32)
    labels = (generator.random(12_000) < p[:, 0]).astype(np.int32)
    losses = statistic("val_loss", p[:2000], labels[:2000])
    even = np.ones(CLASSES)
    models = fitted_models(data, even)
    return {
        "word features": [features],
        "initial weights": initial_weights(Configuration(lstm_units=512), SHAPE, 0),
        "an epoch": [loss, scored(engine, data), *engine.state().values()],
        "baselines": [b.answers for b in baselines(data, models, even)],
        "n-gram models": [model.model.table for model in models.values()],
        "a score": [evaluate("val_loss", p, labels)],
        "statistics": [*bootstrap_interval(losses, 2000, 0), row_values(losses, 2000)],
    }


def decided_with_tensorflow() -> dict[str, list[Any]]:
    """What TensorFlow and scikit-learn's Gaussian process decide."""
    import keras
    import keras_tuner

    from search.network.build import build
    from search.tuning.algorithms import make_oracle

    keras.utils.set_random_seed(1)
    data = corpus()
    engine = KerasEngine(build(Configuration(embedding_dim=96, lstm_units=128), SHAPE))
    loss = engine.train_epoch(batches(data), 1, 0)
    oracle = make_oracle("bayesian", trials=12, seed=0, max_epochs=1)
    space = keras_tuner.HyperParameters()
    for number in range(6):
        space.Float(f"x{number}", 0.0, 1.0)
    oracle.update_space(space)
    proposed = []
    for number in range(12):
        trial = oracle.create_trial("tuner")
        proposed.append(list(trial.hyperparameters.values.values()))
        oracle.update_trial(trial.trial_id, {"val_accuracy": np.sin(number + proposed[-1][0])})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return {"an epoch in Keras": [loss, scored(engine, data)], "proposals": proposed}


def batches(data: Corpus) -> list[tuple[Any, Any]]:
    input_config = SHAPE.input_config(Configuration())
    drawn = training_batches(
        data.train, input_config, batch_size=256, word_dropout=0.0, seed=1, epoch=0
    )
    return list(drawn)


def scored(engine: Engine, data: Corpus) -> Any:
    rows = evaluation_batches(data.validation, SHAPE.input_config(Configuration()))
    return predict(engine, rows, len(data.validation))


if __name__ == "__main__":
    with threadpool_limits(int(sys.argv[1])):
        results = decided() | (decided_with_tensorflow() if "tensorflow" in sys.argv else {})
    digests = {
        name: hashlib.sha256(b"".join(np.asarray(v).tobytes() for v in values)).hexdigest()
        for name, values in results.items()
    }
    print(json.dumps(digests))
