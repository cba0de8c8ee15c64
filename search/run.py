"""`python -m search.run`: runs a search."""

import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.commands import command, folder, grouped, run_and_leave, say, show
from search.display import counted
from search.errors import Interrupted, ResultsError, SettingsError
from search.settings import FEWEST_ROWS, Algorithm, Objective, Quote, Settings, duration
from search.startup import give_temporary_directory, tensorflow_silenced
from search.summary import final_line, print_outcome, trial_line
from search.view import View, chosen_view, left, result_event

if TYPE_CHECKING:
    from search.conclusion import Outcome
    from search.tuning.records import TrialRecord

app = typer.Typer(add_completion=False, rich_markup_mode=None)

GROUPS = {
    "Data": (
        *("data", "text_column", "label_column", "group_column", "labels", "encoding", "delimiter"),
        *(
            "quote",
            "no_header",
            "min_class_rows",
            "validation",
            "test",
            "unlabelled",
            "remove_leaks",
        ),
        *("remove_leaks", "audit_only", "embeddings"),
    ),
    "Search": (
        *("trials", "timeout", "tuner", "objective", "positive", "class_weight", "seed", "space"),
        *("set", "print_space", "try_", "warm_start", "max_parameters"),
    ),
    "Training": ("max_epochs", "min_epochs", "reduction", "patience", "trial_timeout", "keep"),
    "Finals and model": ("finals", "folds", "single", "prefer_small", "top", "export", "conclude"),
    "Where it trains": ("workers", "cluster", "cpus_per_trial", "gpus_per_trial"),
    "Results and output": (
        *("results", "overwrite", "retry_failed", "tensorboard", "quiet", "as_json", "debug"),
    ),
}
"""Of the options, for --help."""


@app.command(cls=grouped(GROUPS))
def main(
    data: Annotated[
        str,
        typer.Option(
            help="rotten-tomatoes, imdb, a file such as .csv, .tsv, .jsonl, .parquet or .xlsx, a "
            "folder with one folder of texts for each class, a pattern, or an https:// address."
        ),
    ] = "rotten-tomatoes",
    text_column: Annotated[
        str | None,
        typer.Option(help="The column with the text: review, 6, or title,review to join two."),
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="The column with the label, such as sentiment or 1.")
    ] = None,
    group_column: Annotated[
        str | None,
        typer.Option(help="The column with what rows share, such as a film: it stays on one side."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A file of labels, one per line, if --data has texts only."),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="Encoding of the files, such as windows-1252; UTF-8 by default."),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(help="Delimiter between columns, such as ';' or tab; detected by default."),
    ] = None,
    quote: Annotated[
        Quote | None,
        typer.Option(help="Quotation marks around cells; detected by default."),
    ] = None,
    no_header: Annotated[
        bool,
        typer.Option("--no-header", help="The first line of a table is data, not column names."),
    ] = False,
    min_class_rows: Annotated[
        int, typer.Option(min=FEWEST_ROWS, help="Classes with fewer rows are left out.")
    ] = FEWEST_ROWS,
    validation: Annotated[
        str | None,
        typer.Option(help="A file or folder to validate on, instead of a tenth of the data."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            help="A file or folder to test on, instead of a tenth of the data; none: no test rows."
        ),
    ] = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option(
            help="Further texts to learn words from, labels ignored: as --data, or a .txt file "
            "with one text a line. By default those that come with a named data set; or none."
        ),
    ] = None,
    remove_leaks: Annotated[
        bool,
        typer.Option(
            "--remove-leaks",
            help="Leave out training rows that are near-duplicates of validation or test rows.",
        ),
    ] = False,
    audit_only: Annotated[
        bool, typer.Option("--audit-only", help="Check the data, print what is wrong, and exit.")
    ] = False,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="Word vectors to start from, in the text format of GloVe or fastText."),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Total number of trials in the results directory.")
    ] = 20,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="TIME", help="Stop after this time, such as 30m, 2h or 90s."
        ),
    ] = None,
    tuner: Annotated[Algorithm, typer.Option(help="The search algorithm.")] = "tpe",
    objective: Annotated[
        Objective, typer.Option(help="The score to optimise, on the validation rows.")
    ] = "val_accuracy",
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL", help="With val_f1: the class whose F1 counts, not the mean of all."
        ),
    ] = None,
    class_weight: Annotated[
        str | None,
        typer.Option(metavar="balanced", help="Give every class the same weight in training."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed: the same seed gives the same results.")
    ] = 0,
    space: Annotated[
        str, typer.Option(help="The search space: core, wide or a .toml file.")
    ] = "core",
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=…",
            help="Change the space: pooling=mean, dropout=0.2..0.5 or batch_size=32,64.",
        ),
    ] = None,
    print_space: Annotated[
        bool, typer.Option("--print-space", help="Print the space as TOML and exit.")
    ] = False,
    try_: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            metavar="NAME=VALUE,…",
            help="Try this configuration first, such as dropout=0.4,lstm_units=32.",
        ),
    ] = None,
    warm_start: Annotated[
        Path | None, typer.Option(help="Try the best configurations of an earlier run first.")
    ] = None,
    max_parameters: Annotated[
        int | None, typer.Option(min=1, help="Exclude networks with more trainable parameters.")
    ] = None,
    max_epochs: Annotated[int, typer.Option(min=1, help="Most epochs of a trial.")] = 10,
    min_epochs: Annotated[
        int, typer.Option(min=1, help="Epochs before weak trials are pruned for the first time.")
    ] = 1,
    reduction: Annotated[
        int,
        typer.Option(min=1, help="Keep one in this many trials at each pruning; 1 prunes none."),
    ] = 2,
    patience: Annotated[
        int,
        typer.Option(min=0, help="Stop a trial after this many epochs without improvement."),
    ] = 2,
    finals: Annotated[
        int, typer.Option(min=0, help="Cross-validate this many of the best trials; 0 for none.")
    ] = 2,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2, max=20, help="Cross-validation folds; 5 by default, or 3 for large data."
        ),
    ] = None,
    single: Annotated[
        bool,
        typer.Option(
            "--single",
            help="Export one network trained on all training and validation rows, not those of "
            "the folds: smaller, faster, and usually a little less accurate.",
        ),
    ] = False,
    prefer_small: Annotated[
        bool,
        typer.Option(
            "--prefer-small",
            help="Export the smallest network within one standard error of the best.",
        ),
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Export this many of the best trials.")] = 1,
    export: Annotated[
        str | None,
        typer.Option(help="Further formats of the best model, such as saved_model,onnx,litert."),
    ] = None,
    results: Annotated[
        Path, typer.Option(parser=folder, metavar="PATH", help="Where everything is written.")
    ] = Path("results"),
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trials in parallel; by default what cores and memory allow."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Train on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT.",
        ),
    ] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="Cluster cores per trial.")] = 1,
    gpus_per_trial: Annotated[
        float, typer.Option(help="Cluster GPUs per trial, such as 0.25.")
    ] = 0,
    keep: Annotated[int, typer.Option(min=1, help="Keep the weights of this many trials.")] = 5,
    trial_timeout: Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="Time limit of one trial, such as 10m."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move an earlier run aside and start anew.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Retry trials that failed before.")
    ] = False,
    conclude: Annotated[
        bool,
        typer.Option(
            "--conclude", help="Train nothing more; make the model of the best trial so far."
        ),
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Write curves and hyperparameters for TensorBoard."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON to stdout, one object per line, instead of the table."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Search the hyperparameters of a text sentiment classifier.

    Leaves leaderboard.csv, best_model.keras and best_model.json in the results directory. Running
    the same command again resumes the search.

    Example: python -m search.run --data reviews.csv --trials 20
    """
    options = locals()
    with command(debug=debug):
        settings = settings_of(options)
        if conclude and overwrite:
            raise SettingsError("--conclude has no meaning with --overwrite")
        if print_space:
            show_space(settings)
            return
        if audit_only:
            show_audit(settings)
            return
        view = chosen_view(quiet=quiet, as_json=as_json)
        try:
            outcome = search(settings, overwrite=overwrite, train=not conclude, view=view)
        except Interrupted:
            command_line = shlex.join(sys.argv[1:])
            say(f"a model of the best so far: python -m search.run {command_line} --conclude")
            raise
        finally:
            view.close()
        if as_json:
            result_event(outcome)
        else:
            print_outcome(outcome)


def settings_of(options: Mapping[str, Any]) -> Settings:
    """Returns the settings that the options of the command give: both have the same names.

    Args:
        options: the parameters of `main` by name; None and an empty list mean the default.

    Raises:
        SettingsError: an option has an invalid value.
    """
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in options.items()
        if name in Settings.model_fields and value is not None and value != []
    }
    # What is exported must be kept.
    return Settings(**{**given, "keep": max(options["keep"], options["top"])})


def show_space(settings: Settings) -> None:
    """Prints the search space of a run as TOML."""
    from search.corpus.load import load_corpus
    from search.network.spacefile import chosen_space, written

    typer.echo(written(chosen_space(settings.space, settings.set, load_corpus(settings))), nl=False)


def show_audit(settings: Settings) -> None:
    """Prints what is wrong with the data of a run, and writes audit.json."""
    from search.corpus.load import load_corpus
    from search.files import write_json
    from search.tuning.lock import check_place
    from search.tuning.rundir import RunDirectory

    directory = RunDirectory(settings.results)
    check_place(settings.results)
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
    from search.tuning.places import slots_for, worker_count
    from search.tuning.rundir import RunDirectory

    if settings.tensorboard:
        check_installed()
    directory = RunDirectory(settings.results)
    check_place(settings.results)
    if not train and not directory.run_file.exists():
        raise ResultsError(f"--conclude: there is no run in {settings.results}")
    give_temporary_directory(settings.results)
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
        from search.corpus.load import encode_sides, read_sides, read_unlabelled
        from search.corpus.store import without_texts
        from search.corpus.words import word_features
        from search.network.space import features_size, starts_from_words
        from search.network.spacefile import chosen_space

        # Before TensorFlow: a mistake in the data or the space shows at once.
        sides, more = read_sides(settings, progress), read_unlabelled(settings, progress)
        corpus = encode_sides(settings, sides, more)
        space = chosen_space(settings.space, settings.set, corpus)
        learned, there = None, directory.cache(corpus.fingerprint).features.exists()
        if here and not there and settings.embeddings is None and starts_from_words(space):
            # In a worker that has nothing to do yet, while this process imports TensorFlow.
            learned = (
                here[0]
                .submit(word_features, without_texts(corpus), *features_size(space, corpus))
                .result
            )
        with tensorflow_silenced():
            from search import pipeline
            from search.tuning.tuner import SearchTuner

        rows, names = corpus.facts["rows"], corpus.class_names
        progress(
            f"{rows['train']} training, {rows['validation']} validation, "
            f"{counted(rows['test'], 'test row')}; "
            + (f"{counted(rows['unlabelled'], 'further text')}; " if rows["unlabelled"] else "")
            + f"{len(names)} classes ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})"
            + (
                f"; {counted(corpus.facts['dropped_rows'], 'row')} without text or label dropped"
                if corpus.facts["dropped_rows"]
                else ""
            )
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
    return pipeline.conclude(tuner)


if __name__ == "__main__":
    run_and_leave(app)
