"""What an export needs and no final influences, made while the last finals are trained."""

import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from search.corpus.ngrams import Kind
from search.evaluation.ngram_models import Fitted, fitted_models, number_of_fits
from search.packaging.ensemble import class_counts
from search.packaging.parity import started
from search.progress import Progress, Say
from search.tuning.study import Study


@dataclass(frozen=True)
class NgramFits:
    """The n-gram models of a search that are being fitted in the background.

    Attributes:
        models: the models, when all are fitted.
        done: as many entries as fits are done.
    """

    models: Future[dict[Kind, Fitted]]
    done: list[None]


_begun: "WeakKeyDictionary[Study, NgramFits]" = WeakKeyDictionary()
"""Of each search that `prepare` was called for."""


def prepare(study: Study) -> None:
    """Starts in the background, once per study, what `conclude` needs and no final influences.

    That is the process that checks the exported file, which takes long to import TensorFlow, and
    the n-gram models. While the last finals are trained, some cores are idle.
    """
    if study in _begun:
        return
    started()
    fits = _begun[study] = NgramFits(Future(), [])

    def fit() -> None:
        try:
            counts, done = class_counts(study), fits.done
            fits.models.set_result(fitted_models(study.corpus, counts, lambda: done.append(None)))
        except BaseException as error:
            fits.models.set_exception(error)

    # A daemon, unlike the threads of an executor: stopping a search does not wait for it.
    threading.Thread(target=fit, daemon=True).start()


def prepared_models(study: Study, tell: Say) -> dict[Kind, Fitted]:
    """The models that `prepare` has begun to fit, once they are fitted."""
    prepare(study)
    fits = _begun[study]
    progress = Progress(tell, "fitting n-gram models", number_of_fits(study.corpus), "fits")
    while not fits.models.done():
        wait([fits.models], timeout=1)
        progress(len(fits.done))
    return fits.models.result()
