"""`python -m search.run`: search, and leave a leaderboard and a model."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.commands import command, run_and_leave, say
from search.settings import Algorithm, EmbeddingInit, Settings
from search.startup import tensorflow_silenced

if TYPE_CHECKING:
    from search.outcome import Outcome
    from search.tuning.records import TrialRecord

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
    trials: Annotated[
        int, typer.Option(min=1, help="How many trials there are to be in the results, in all.")
    ] = 20,
    tuner: Annotated[Algorithm, typer.Option(help="The search algorithm.")] = "random",
    seed: Annotated[int, typer.Option(help="Any whole number; equal seeds, equal results.")] = 0,
    max_epochs: Annotated[int, typer.Option(min=1, help="Epochs of a trial, at most.")] = 10,
    patience: Annotated[
        int, typer.Option(min=0, help="Epochs without a better one, before a trial is ended.")
    ] = 2,
    batch_size: Annotated[int, typer.Option(min=1, help="Reviews in a training batch.")] = 64,
    embedding_init: Annotated[
        EmbeddingInit,
        typer.Option(help="Start from word vectors learned from the training texts, or at random."),
    ] = "ppmi",
    results: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("results"),
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trials at a time; by default what cores and memory allow."),
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="Trials whose weights are kept.")] = 5,
    trial_timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds a trial may take, such as 600.")
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
            trials=trials,
            tuner=tuner,
            seed=seed,
            max_epochs=max_epochs,
            patience=patience,
            batch_size=batch_size,
            embedding_init=embedding_init,
            results=results,
            workers=workers,
            keep=keep,
            trial_timeout=trial_timeout,
        )
        search(settings, overwrite=overwrite, progress=(lambda _: None) if quiet else say)


def search(settings: Settings, *, overwrite: bool, progress: Say) -> None:
    """Runs the search that the command line asked for."""
    from search.tuning.executors import default_workers, slots
    from search.tuning.rundir import RunDirectory

    RunDirectory(settings.results).check_place()
    count = settings.workers or default_workers()
    progress(
        f"reading {settings.data}; {count} {'worker starts' if count == 1 else 'workers start'}"
    )
    # The workers import TensorFlow while this process reads the data.
    with slots(count) as workers:
        for worker in workers:
            worker.warm_up()
        from search.corpus.load import encode_sides, read_sides

        sides = read_sides(settings)  # before TensorFlow: a mistake in the data shows at once
        with tensorflow_silenced():
            from search import pipeline
            from search.tuning.tuner import SearchTuner

        corpus = encode_sides(settings, sides)
        rows, names = corpus.facts["rows"], corpus.class_names
        progress(
            f"{rows['train']} training, {rows['validation']} validation, {rows['test']} test rows; "
            f"{len(names)} classes ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})"
            + (
                f"; {corpus.facts['dropped_rows']} rows without text or label dropped"
                if corpus.facts["dropped_rows"]
                else ""
            )
        )

        def after_trial(tuner: SearchTuner, record: "TrialRecord") -> None:
            progress(_trial_line(tuner.records.values(), record, settings.trials))

        tuner = pipeline.tune(
            settings,
            corpus,
            overwrite=overwrite,
            after_trial=after_trial,
            warn=say,
            workers=workers,
        )
    if not tuner.trials_run:
        progress(f"nothing to do: {settings.results} already has {len(tuner.records)} trials")
    _print_outcome(pipeline.conclude(tuner))


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
            f"{len(record.history)} epochs, {sum(e.seconds for e in record.history):.1f} s"
        )
    return f"[{len(ended)}/{total}] trial {record.trial_id}: {result}"


def _print_outcome(outcome: "Outcome") -> None:
    """The result, on stdout."""
    columns = ["rank", "trial_id", "status", "val_accuracy", "val_loss", "best_epoch", "epochs"]
    table = outcome.leaderboard
    hyperparameters = [name for name in table.columns if name.startswith("hp_")]
    shown = table[[*columns, "train_seconds", *hyperparameters]].head(SHOWN_TRIALS)
    best = outcome.best
    low, high = best["val_accuracy_ci"]
    test_low, test_high = best["test_accuracy_ci"]
    typer.echo(shown.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.4g}"))
    if len(table) > SHOWN_TRIALS:
        typer.echo(f"… and {len(table) - SHOWN_TRIALS} more")
    typer.echo(
        f"\nbest: trial {best['trial_id']}\n"
        f"validation accuracy: {best['val_accuracy']:.4f} (95% interval {low:.4f} to {high:.4f}, "
        f"{best['val_rows']} rows; the best of {len(table)} is a little lucky)\n"
        f"test accuracy: {best['test_accuracy']:.4f} (95% interval {test_low:.4f} to "
        f"{test_high:.4f}, {best['test_rows']} rows)\n"
        f"leaderboard: {outcome.table}\n"
        f"model: {outcome.model}"
    )


if __name__ == "__main__":
    run_and_leave(app)
