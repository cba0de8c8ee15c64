"""Which words speak for the wrong answers that a report shows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from search.corpus.batches import evaluation_batches
from search.corpus.encode import Vocabulary
from search.corpus.store import Split
from search.corpus.tokens import hashed
from search.packaging.ensemble import Ensemble
from search.packaging.explanation import decided_by, explained
from search.tuning.engine import Engine, predict
from search.tuning.finals import EVERY_FOLD
from search.tuning.objective import by_class
from search.tuning.study import Study

MOST = 25  # mistakes that are explained, as many as a report shows,
MOST_WORDS = 80  # and words of each


def deciding_words(study: Study, ensemble: Ensemble, wrong: pd.DataFrame) -> list[str]:
    """Returns for each mistake the words that decided, as `decided_by` has them.

    The network is asked that was not trained on the row. The n-gram models are not: those of the
    exported model have learned from it.

    Args:
        study: the run.
        ensemble: the model.
        wrong: the content of errors.csv.

    Returns:
        A line for each row; "" after the first `MOST`, and where no such network is exported.
    """
    corpus, vocabulary = study.corpus, Vocabulary.of(study.corpus.vocabulary)
    folds = corpus.folds[len(corpus.train) :].tolist()
    fold_of = dict(zip(np.asarray(corpus.validation.rows).tolist(), folds, strict=True))

    def line(row: int, text: str, label: str) -> str:
        engine = _unseen(study, ensemble, fold_of[row])
        if engine is None:
            return ""

        def says(texts: Sequence[str]) -> npt.NDArray[np.float64]:
            array, rows = np.array(texts, dtype=object), np.arange(len(texts))
            split = Split(*vocabulary.encode(*hashed(array)), rows.astype(np.int32), rows)
            return by_class(
                predict(engine, evaluation_batches(split, ensemble.input_config), len(rows))
            )

        return decided_by(explained(says, corpus.class_names, text, label=label, most=MOST_WORDS))

    first = wrong[["row", "text", "predicted"]].head(MOST).itertuples(index=False)
    lines = [line(*mistake) for mistake in first]
    return lines + [""] * (len(wrong) - len(lines))


def _unseen(study: Study, ensemble: Ensemble, fold: int) -> Engine | None:
    """The network that was not trained on the validation rows of a fold."""
    folds = [study.fold_of(record) for record in ensemble.records]
    if folds == [None]:  # trained on no validation row
        return ensemble.engines[0]
    if folds == [EVERY_FOLD]:
        return ensemble.engines[fold]
    return ensemble.engines[folds.index(fold)] if fold in folds else None
