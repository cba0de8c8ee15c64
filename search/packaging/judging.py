"""Judges the exported model and the baselines, for best_model.json."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from search.corpus.ngrams import Kind
from search.evaluation.baselines import Baseline
from search.evaluation.measures import interval, of_each_class, unit, values_of
from search.evaluation.mixture import ngram_evidence, ngram_scores
from search.evaluation.ngram_models import Fitted
from search.evaluation.statistics import verdict, wilson_interval
from search.packaging.ensemble import Ensemble
from search.packaging.saving import measures, weights_id
from search.tuning.objective import Labels, Numbers, evaluate, score
from search.tuning.study import Study


def judge(
    study: Study,
    ensemble: Ensemble,
    models: Mapping[Kind, Fitted],
    fitted: list[Baseline],
    strongest: Baseline,
) -> dict[str, Any]:
    """Evaluates model and baselines on the test rows: the only place that uses them."""
    test = study.corpus.test
    if not len(test):
        theirs = strongest.answers[np.searchsorted(study.corpus.held_out, ensemble.rows)]
        found = _compared(study, ensemble.labels, ensemble.answers, strongest, theirs)
        return {
            **dict.fromkeys(("test_accuracy", "test_accuracy_ci", "test_loss")),
            "test_rows": 0,
            "classes": of_each_class(ensemble.answers, ensemble.labels, study.corpus.class_names),
            "baselines": [_baseline_facts(study, baseline, None) for baseline in fitted],
            "verdict": f"out of fold, {found}; no rows were kept for a test",
        }
    study.run.open_test(weights_id(ensemble.records))
    objective = study.settings.objective
    each, mixture = ensemble.networks_say(test), ensemble.mixture
    networks = np.mean(each, axis=0)
    scores = ngram_scores((kind.model for kind in models.values()), test.texts)
    of_kind = dict(zip(models, scores, strict=True))
    ngrams = ngram_evidence([of_kind[model.kind] for model in mixture.models])
    mine = mixture.mix(networks, ngrams)
    single = [evaluate("val_accuracy", mixture.mix(one, ngrams), test.labels) for one in each]
    accuracy = evaluate("val_accuracy", mine, test.labels)
    said = {baseline.name: baseline.predict(scores) for baseline in fitted}
    return {
        **measures(mine, test.labels, "test_", study.positive),
        f"{objective.replace('val_', 'test_', 1)}_ci": interval(
            objective, mine, test.labels, study.positive
        ),
        "test_accuracy": accuracy,
        "test_accuracy_ci": wilson_interval(accuracy * len(test), len(test)),
        "test_loss": evaluate("val_loss", mine, test.labels),
        "test_rows": len(test),
        "test_accuracy_networks": evaluate("val_accuracy", networks, test.labels),
        "test_loss_networks": evaluate("val_loss", networks, test.labels),
        "test_accuracy_single": float(np.mean(single)),
        "classes": of_each_class(mine, test.labels, study.corpus.class_names),
        "baselines": [_baseline_facts(study, baseline, said[baseline.name]) for baseline in fitted],
        "verdict": _compared(study, test.labels, mine, strongest, said[strongest.name]),
    }


def _baseline_facts(study: Study, baseline: Baseline, tested: Numbers | None) -> dict[str, Any]:
    """The facts of a baseline, for best_model.json.

    Args:
        study: the run.
        baseline: the fitted baseline.
        tested: its probabilities of the test rows, if there are any.
    """
    objective = study.settings.objective
    test, judged = study.corpus.test, study.judged
    known = baseline.answers[-len(judged) :], judged.labels
    on_test: dict[str, float | None] = {"test_accuracy": None}
    if tested is not None:
        on_test["test_accuracy"] = evaluate("val_accuracy", tested, test.labels)
        on_test |= measures(tested, test.labels, "test_", study.positive)
    return {
        "name": baseline.name,
        objective: evaluate(objective, *known, study.positive),
        "val_accuracy": evaluate("val_accuracy", *known),
        "val_loss": evaluate("val_loss", *known),
        **on_test,
        "parameters": baseline.parameters,
        "seconds": baseline.seconds,
        "values": baseline.values,
    }


def _compared(
    study: Study, labels: Labels, mine: Numbers, strongest: Baseline, theirs: Numbers
) -> str:
    """The verdict: a paired test of the model against the strongest baseline."""
    objective, spent = study.settings.objective, (*study.records.values(), *study.finals.values())
    return verdict(
        values_of(objective, mine, labels, study.positive),
        values_of(objective, theirs, labels, study.positive),
        "the model",
        strongest.name,
        sum(epoch.seconds for record in spent for epoch in record.history),
        strongest.seconds,
        len(labels),
        unit(objective, study.settings.positive),
    )


def strongest_of(study: Study, fitted: list[Baseline]) -> Baseline:
    """The baseline with the best out-of-fold score."""
    corpus, objective, of = study.corpus, study.settings.objective, study.positive
    labels = corpus.fold_labels[corpus.held_out]
    return max(fitted, key=lambda baseline: score(objective, baseline.answers, labels, of))
