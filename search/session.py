"""What `python -m search.run` does once its options are checked: a search, or only a look."""

import glob
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from search.commands import say, show
from search.display import briefly, counted
from search.errors import ResultsError, SettingsError
from search.settings import Settings
from search.startup import give_temporary_directory, tensorflow_silenced
from search.summary import final_line, trial_line
from search.view import View, left

if TYPE_CHECKING:
    from search.conclusion import Outcome
    from search.corpus import Corpus
    from search.tuning.records import TrialRecord


def show_space(settings: Settings) -> None:
    """Prints the search space of a run as TOML."""
    from search.corpus.load import load_corpus
    from search.network.spacefile import chosen_space, written

    typer.echo(written(chosen_space(settings.space, settings.set, load_corpus(settings))), nl=False)


def check_apart(settings: Settings) -> None:
    """Checks that results do not go into a folder that is read as a whole.

    Otherwise they would be classes or tables of it, as soon as the search is resumed.

    Raises:
        SettingsError: they would.
    """
    from search.corpus.folders import layout

    results = settings.results.resolve()
    more = settings.unlabelled if isinstance(settings.unlabelled, tuple) else ()
    sources = [settings.data, settings.validation, settings.test, *more]
    for source in (part for one in sources if isinstance(one, str) for part in one.split(",")):
        folder, inside = Path(source), results.parents
        if glob.has_magic(source):
            folder, inside = folder.parent, ()
        if not folder.is_dir() or folder.resolve() not in (results, *inside):
            continue
        laid = layout(folder)
        if laid is None or any(Path(path).is_dir() for path, *_ in laid.splits.values()):
            raise SettingsError(
                f"--results {settings.results}: is in the folder of the data {source}, and would "
                "be read as a part of them; choose another directory"
            )


def show_audit(settings: Settings) -> None:
    """Prints what is wrong with the data of a run, and writes audit.json."""
    from search.corpus.load import load_corpus
    from search.files import write_json
    from search.tuning.lock import check_place
    from search.tuning.rundir import RunDirectory

    directory = RunDirectory(settings.results)
    check_place(settings.results)
    check_apart(settings)
    corpus = load_corpus(settings, say)
    found = corpus.facts["audit"]
    if directory.is_of_other_data(corpus.fingerprint):
        say(
            f"{settings.results} holds a run on other data, so audit.json is not written; "
            "choose another directory with --results DIR"
        )
    else:
        with directory.claimed():
            directory.artefacts.claim(["audit.json"], known=directory.run_file.is_file())
            write_json(directory.path / "audit.json", found)
    show("\n".join(found["lines"]))


def search(settings: Settings, *, overwrite: bool, train: bool, view: View) -> "Outcome":
    """Runs a search with the settings of the command line."""
    progress = view.progress
    from search.reporting.tensorboard import check_installed
    from search.tuning.executors import LocalSlots
    from search.tuning.lock import check_place
    from search.tuning.places import choose_device, slots_for, worker_count
    from search.tuning.rundir import RunDirectory

    if settings.tensorboard:
        check_installed()
    if settings.mlflow is not None:
        from search.reporting.mlflow_tracker import MLflowTracker

        MLflowTracker(settings.mlflow)  # one that does not answer shows before anything is read
    directory = RunDirectory(settings.results)
    check_place(settings.results)
    check_apart(settings)
    if not train and not directory.run_file.exists():
        raise ResultsError(f"--conclude: there is no run in {settings.results}")
    give_temporary_directory(settings.results)
    choose_device(settings)
    if settings.export:
        from search.packaging import formats

        formats.check_installed(settings.export)
    if settings.embeddings is not None:
        from search.untrusted import opened

        opened(settings.embeddings).close()
    count = worker_count(settings)
    where = f"; {count} {'worker starts' if count == 1 else 'workers start'}"
    if settings.cluster is not None:
        where = f"; asking the cluster {settings.cluster} for workers"
    progress(f"reading {settings.data}{where if train else ''}")
    # The workers get ready while this process reads the data.
    with slots_for(settings, say) if train else nullcontext(LocalSlots()) as workers:
        here = workers if isinstance(workers, LocalSlots) else LocalSlots()
        for worker in here:
            worker.warm_up()
        from search.corpus.batches import EPOCH_ROWS
        from search.corpus.load import audited, encode_splits
        from search.corpus.reading import read_splits, read_unlabelled
        from search.corpus.store import without_texts
        from search.corpus.words import word_features
        from search.network.space import features_size, starts_from_words
        from search.network.spacefile import chosen_space

        # Before TensorFlow: a mistake in the data or the space shows at once.
        splits, more = read_splits(settings, progress), read_unlabelled(settings, progress)
        corpus = encode_splits(settings, splits, more, progress)
        space = chosen_space(settings.space, settings.set, corpus)
        learned, there = None, directory.cache(corpus.fingerprint).features.exists()
        if here and not there and settings.embeddings is None and starts_from_words(space):
            # In a worker that has nothing to do yet, while this process imports TensorFlow.
            learned = (
                here[0]
                .submit(word_features, without_texts(corpus), *features_size(space, corpus))
                .result
            )
        corpus = audited(corpus, splits, progress)
        del splits, more
        with tensorflow_silenced():
            from search import pipeline
            from search.tuning.tuner import SearchTuner

        progress(data_line(corpus))
        if len(corpus.train) > EPOCH_ROWS:
            passed = -(-len(corpus.train) // EPOCH_ROWS)
            progress(
                f"an epoch has {EPOCH_ROWS:,} of {len(corpus.train):,} training rows, and the next "
                f"one others; a network has seen all after {passed} epochs (--max-epochs is "
                f"{settings.max_epochs})"
            )
        for line in corpus.facts["audit"]["lines"]:
            if line.startswith(("LEAK", "UNBALANCED", "DIFFERENT")):
                say(line)
            elif not directory.run_file.exists():  # not again when a run goes on
                progress(line)
        started = time.monotonic()

        def show_trial(tuner: SearchTuner, record: "TrialRecord") -> None:
            study = tuner.study
            line = (final_line if record.is_final else trial_line)(study, record)
            view.trial(study, record, line + left(study, time.monotonic() - started))

        tuner = pipeline.tune(
            settings,
            corpus,
            overwrite=overwrite,
            train=train,
            show=show_trial,
            watch=lambda tuner: view.watch(tuner.study),
            warn=say,
            progress=progress,
            workers=workers,
            learned=learned,
        )
    view.close()
    if train and not tuner.study.trials_begun:
        failed = sum(record.status == "failed" for record in tuner.records.values())
        progress(
            f"nothing to do: {settings.results} already has {counted(len(tuner.records), 'trial')}"
            + (f", of which {failed} failed; --retry-failed begins those again" if failed else "")
        )
    return pipeline.conclude(tuner, progress)


def data_line(corpus: "Corpus") -> str:
    """The line that says how many rows and classes the data have."""
    rows, names = corpus.facts["rows"], corpus.class_names
    shown = ", ".join([*map(briefly, names[:5]), *["…"][: len(names) - 5]])
    return (
        f"{rows['train']} training, {rows['validation']} validation, "
        f"{counted(rows['test'], 'test row')}; "
        + (f"{counted(rows['unlabelled'], 'further text')}; " if rows["unlabelled"] else "")
        + f"{len(names)} classes ({shown})"
    )
