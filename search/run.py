"""`python -m search.run`: search, and leave a leaderboard and a model."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.commands import command, run_and_leave, say
from search.settings import Algorithm, Settings, duration
from search.startup import tensorflow_silenced

if TYPE_CHECKING:
    from search.outcome.winner import Outcome
    from search.tuning.records import TrialRecord
    from search.tuning.tuner import SearchTuner

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Say = Callable[[str], None]
SHOWN_TRIALS = 10


@app.command()
def main(
    data: Annotated[
        str,
        typer.Option(
            help="rotten-tomatoes, imdb, a .csv, .tsv, .jsonl or .parquet file, "
            "or a folder with one folder of .txt files for each class."
        ),
    ] = "rotten-tomatoes",
    text_column: Annotated[
        str | None, typer.Option(help="The column with the text, such as review.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="The column with the label, such as sentiment.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="A file to validate on, instead of a tenth of the data.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="A file to test on, instead of a tenth of the data.")
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
        bool, typer.Option("--audit-only", help="Say what is wrong with the data, and end.")
    ] = False,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="Word vectors to start from: GloVe's, word2vec's or fastText's text."),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="How many trials there are to be in the results, in all.")
    ] = 20,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="TIME", help="End after this time, such as 30m, 2h or 90s."
        ),
    ] = None,
    tuner: Annotated[Algorithm, typer.Option(help="The search algorithm.")] = "tpe",
    seed: Annotated[int, typer.Option(help="Any whole number; equal seeds, equal results.")] = 0,
    space: Annotated[
        str, typer.Option(help="What is searched: core, wide or a .toml file.")
    ] = "core",
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=…",
            help="Change the space: pooling=mean, dropout=0.2..0.5 or batch_size={32,64}.",
        ),
    ] = None,
    print_space: Annotated[
        bool, typer.Option("--print-space", help="Write the space as TOML to stdout, and end.")
    ] = False,
    tried_first: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            metavar="NAME=VALUE,…",
            help="Try this before anything else, such as dropout=0.4,lstm_units=32.",
        ),
    ] = None,
    warm_start: Annotated[
        Path | None, typer.Option(help="Try the best of an earlier run's results first.")
    ] = None,
    max_parameters: Annotated[
        int | None, typer.Option(min=1, help="No network with more trainable numbers.")
    ] = None,
    max_epochs: Annotated[int, typer.Option(min=1, help="Epochs of a trial, at most.")] = 10,
    min_epochs: Annotated[
        int, typer.Option(min=1, help="Epochs after which weak trials are stopped first.")
    ] = 1,
    reduction: Annotated[
        int,
        typer.Option(min=1, help="The best one in so many trials goes on; 1 stops none early."),
    ] = 2,
    patience: Annotated[
        int, typer.Option(min=0, help="Epochs without a better one, before a trial is ended.")
    ] = 1,
    finals: Annotated[
        int, typer.Option(min=0, help="Best trials that are trained with more seeds; 0 for none.")
    ] = 3,
    final_seeds: Annotated[int, typer.Option(min=1, help="More seeds for each of them.")] = 3,
    top: Annotated[
        int, typer.Option(min=1, help="Export the best so many trials, not the best one alone.")
    ] = 1,
    formats: Annotated[
        str | None,
        typer.Option(
            "--export", help="More formats of the best model: saved_model,onnx,litert or some."
        ),
    ] = None,
    results: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("results"),
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trials at a time; by default what cores and memory allow."),
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="Trials whose weights are kept.")] = 5,
    trial_timeout: Annotated[
        float | None,
        typer.Option(parser=duration, metavar="TIME", help="What a trial may take, such as 10m."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move an earlier run aside and start anew.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Search the hyperparameters of a text sentiment classifier.

    Leaves leaderboard.csv, best_model.keras and best_model.json in the results directory. Running
    the same command again goes on where it stopped.

    Example: python -m search.run --data reviews.csv --trials 20
    """
    with command(debug=debug):
        settings = Settings.checked(
            data=data,
            text_column=text_column,
            label_column=label_column,
            validation=validation,
            test=test,
            unlabelled=tuple(unlabelled) if unlabelled else None,
            remove_leaks=remove_leaks,
            embeddings=embeddings,
            trials=trials,
            timeout=timeout,
            tuner=tuner,
            seed=seed,
            space=space,
            fixed=tuple(fixed or ()),
            tried_first=tuple(tried_first or ()),
            warm_start=warm_start,
            max_parameters=max_parameters,
            max_epochs=max_epochs,
            min_epochs=min_epochs,
            reduction=reduction,
            patience=patience,
            finals=finals,
            final_seeds=final_seeds,
            top=top,
            export=() if formats is None else tuple(formats.split(",")),
            results=results,
            workers=workers,
            keep=max(keep, top),
            trial_timeout=trial_timeout,
        )
        if print_space:
            show_space(settings)
            return
        if audit_only:
            show_audit(settings)
            return
        search(settings, overwrite=overwrite, progress=(lambda _: None) if quiet else say)


def show_space(settings: Settings) -> None:
    """The space of a run, as a file to start from."""
    from search.corpus.load import load_corpus
    from search.network.spacefile import chosen_space, written

    typer.echo(
        written(chosen_space(settings.space, settings.fixed, load_corpus(settings))), nl=False
    )


def show_audit(settings: Settings) -> None:
    """What is wrong with the data of a run; whole in audit.json."""
    from search.corpus.load import load_corpus
    from search.files import write_json
    from search.tuning.rundir import RunDirectory

    directory = RunDirectory(settings.results)
    directory.check_place()
    found = load_corpus(settings).facts["audit"]
    with directory.claimed():
        write_json(directory.path / "audit.json", found)
    typer.echo("\n".join(found["lines"]))


def search(settings: Settings, *, overwrite: bool, progress: Say) -> None:
    """Runs the search that the command line asked for."""
    from search.tuning.executors import default_workers, slots
    from search.tuning.rundir import RunDirectory

    directory = RunDirectory(settings.results)
    directory.check_place()
    if settings.export:
        from search.outcome.formats import check_installed

        check_installed(settings.export)
    count = settings.workers or default_workers()
    progress(
        f"reading {settings.data}; {count} {'worker starts' if count == 1 else 'workers start'}"
    )
    # The workers import TensorFlow while this process reads the data.
    with slots(count) as workers:
        for worker in workers:
            worker.warm_up()
        from search.corpus.load import encode_sides, read_sides, read_unlabelled
        from search.corpus.words import word_features
        from search.network.space import features_size, starts_from_words
        from search.network.spacefile import chosen_space

        # Before TensorFlow: a mistake in the data or the space shows at once.
        corpus = encode_sides(settings, read_sides(settings), read_unlabelled(settings))
        space = chosen_space(settings.space, settings.fixed, corpus)
        learned, there = None, directory.features(corpus.fingerprint).exists()
        if not there and settings.embeddings is None and starts_from_words(space):
            # In a worker that has nothing to do yet, while this process imports TensorFlow.
            learned = workers[0].submit(word_features, corpus, *features_size(space, corpus)).result
        with tensorflow_silenced():
            from search import pipeline
            from search.tuning.tuner import SearchTuner

        rows, names = corpus.facts["rows"], corpus.class_names
        progress(
            f"{rows['train']} training, {rows['validation']} validation, {rows['test']} test rows; "
            + (f"{rows['unlabelled']} further texts; " if rows["unlabelled"] else "")
            + f"{len(names)} classes ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})"
            + (
                f"; {corpus.facts['dropped_rows']} rows without text or label dropped"
                if corpus.facts["dropped_rows"]
                else ""
            )
        )

        for line in corpus.facts["audit"]["lines"]:
            if line.startswith("LEAK"):
                say(line)
            elif not directory.run_file.exists():  # not again when a run goes on
                progress(line)
        started = time.monotonic()

        def after_trial(tuner: SearchTuner, record: "TrialRecord") -> None:
            if record.is_final:
                progress(_final_line(tuner, record))
                return
            rest = (time.monotonic() - started) / tuner.trials_begun * tuner.remaining_trials
            progress(_trial_line(tuner.records.values(), record, settings.trials) + _left(rest))

        tuner = pipeline.tune(
            settings,
            corpus,
            overwrite=overwrite,
            after_trial=after_trial,
            warn=say,
            progress=progress,
            workers=workers,
            learned=learned,
        )
    if not tuner.trials_begun:
        progress(f"nothing to do: {settings.results} already has {len(tuner.records)} trials")
    _print_outcome(pipeline.conclude(tuner))


def _left(seconds: float) -> str:
    """About how long it will still take."""
    if seconds < 1:
        return ""
    about = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return f"; about {about} left"


def _trial_line(records: "Iterable[TrialRecord]", record: "TrialRecord", total: int) -> str:
    """One line for a trial that ended."""
    from search.tuning.records import ranked

    ended = [r for r in records if r.status != "running"]
    if record.best is None or record.status == "failed":
        result = f"failed: {record.error}"
    else:
        leader = ranked(ended)[0]
        assert leader.best is not None
        result = (
            f"val_accuracy {record.best.val_accuracy:.4f} "
            f"(best {leader.best.val_accuracy:.4f}, trial {leader.trial_id}), "
            f"{'stopped after ' if record.status == 'pruned' else ''}"
            f"{len(record.history)} epochs, {sum(e.seconds for e in record.history):.1f} s"
        )
    return f"[{len(ended)}/{total}] trial {record.trial_id}: {result}"


def _final_line(tuner: "SearchTuner", record: "TrialRecord") -> str:
    """One line for a final that ended."""
    wanted, there = tuner.settings.finals * tuner.settings.final_seeds, tuner.finals_in_force()
    ended = sum(final.status != "running" for final in there.values())
    trial, _, number = record.trial_id.partition("-")
    if record.best is None or record.status == "failed":
        result = f"failed: {record.error}"
    else:
        result = f"val_accuracy {record.best.val_accuracy:.4f}"
    return f"[final {ended}/{wanted}] trial {trial}, seed {number}: {result}"


def _print_outcome(outcome: "Outcome") -> None:
    """The result, on stdout."""
    table = outcome.leaderboard
    means = ["val_mean"] if table["n_seeds"].notna().any() else []
    columns = ["rank", "trial_id", "status", "val_accuracy", *means, "val_loss", "tied_with_best"]
    columns += ["best_epoch", "epochs"]
    hyperparameters = [name for name in table.columns if name.startswith("hp_")]
    shown = table[[*columns, "train_seconds", *hyperparameters]].head(SHOWN_TRIALS)
    best = outcome.best
    low, high = best["val_accuracy_ci"]
    test_low, test_high = best["test_accuracy_ci"]
    typer.echo(shown.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.4g}"))
    if len(table) > SHOWN_TRIALS:
        typer.echo(f"… and {len(table) - SHOWN_TRIALS} more")
    lines = [
        f"\nbest: trial {best['trial_id']}",
        f"validation accuracy: {best['val_accuracy']:.4f} (95% interval {low:.4f} to {high:.4f}, "
        f"{best['val_rows']} rows)",
    ]
    if best["finals"] is not None:
        lines[0] += f", the model of seed {best['weights'].partition('-')[2]}"
        lines.append(
            f"its finals: mean {best['finals']['mean']:.4f}, standard deviation "
            f"{best['finals']['std']:.4f}, {best['finals']['seeds']} seeds"
        )
    if (bias := best["selection_bias"]) is not None:
        expected, least, most = (100 * bias[name] for name in ("estimate", "low", "high"))
        lines.append(
            f"the best val_accuracy of {bias['trials']} trials is to be taken for {expected:.1f} "
            f"points less (95% interval {least:.1f} to {most:.1f}): it was chosen on these rows"
        )
    lines += best["weak_slices"]
    lines += [
        f"test accuracy: {best['test_accuracy']:.4f} (95% interval {test_low:.4f} to "
        f"{test_high:.4f}, {best['test_rows']} rows)",
        best["verdict"],
    ]
    if outcome.tested > 1:
        lines.append(f"the test rows were looked at for {outcome.tested} models in this run")
    lines += [f"leaderboard: {outcome.table}", f"model: {outcome.model}"]
    lines += [f"runner-up: {path}" for path in outcome.runners_up]
    lines += [f"{name}: {outcome.model.with_name(name)}" for name in best["formats"]][1:]
    typer.echo("\n".join(lines))


if __name__ == "__main__":
    run_and_leave(app)
