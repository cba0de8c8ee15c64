"""`python -m search.run`: runs a search."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from search.commands import command, folder, grouped, run_and_leave, say
from search.errors import Interrupted, SettingsError
from search.options import Debug, Delimiter, NoHeader, QuotationMarks, TextColumn
from search.session import search, show_audit, show_space
from search.settings import FEWEST_ROWS, Algorithm, Device, Objective, Settings, duration
from search.startup import check_whole
from search.summary import print_outcome
from search.view import chosen_view, result_event

app = typer.Typer(add_completion=False, rich_markup_mode=None)

SCORES = f"{', '.join(get_args(Objective)[:-1])} or {get_args(Objective)[-1]}"
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
    "Where it trains": ("workers", "device", "cluster", "cpus_per_trial", "gpus_per_trial"),
    "Results and output": (
        *("results", "overwrite", "retry_failed", "tensorboard", "mlflow", "quiet", "as_json"),
        "debug",
    ),
}
"""Of the options, for --help."""


class Run(grouped(GROUPS, "--data")):  # type: ignore[misc]
    """The command, of which one option may be without its value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Gives `--mlflow` without a URI an empty one."""
        for place in reversed([n for n, word in enumerate(args) if word == "--mlflow"]):
            if args[place + 1 : place + 2] == [] or args[place + 1].startswith("-"):
                args = [*args[: place + 1], "", *args[place + 1 :]]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


@app.command(cls=Run, short_help="Search for the best classifier.")
def main(
    data: Annotated[
        str,
        typer.Option(
            metavar="DATA",
            help="rotten-tomatoes, imdb, a file such as .csv, .tsv, .jsonl, .parquet or .xlsx, a "
            "folder with one folder of texts for each class, a pattern, or an https:// address.",
        ),
    ] = "rotten-tomatoes",
    text_column: TextColumn = None,
    label_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column with the label, such as sentiment or 1."),
    ] = None,
    group_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Rows with the same value here, such as reviews of one film, stay in one split.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A file of labels, one per line, if --data has texts only."
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Encoding of the files, such as windows-1252; UTF-8 by default."
        ),
    ] = None,
    delimiter: Delimiter = None,
    quote: QuotationMarks = None,
    no_header: NoHeader = False,
    min_class_rows: Annotated[
        int,
        typer.Option(metavar="N", min=FEWEST_ROWS, help="Classes with fewer rows are left out."),
    ] = FEWEST_ROWS,
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="A file or folder to validate on, instead of a tenth of the data."
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A file or folder to test on, instead of a tenth of the data; none: no test rows.",
        ),
    ] = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Further texts to learn words from, labels ignored: as --data, or a .txt file "
            "with one text a line. By default those that come with a named data set; or none.",
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
        typer.Option(
            metavar="FILE",
            help="Word vectors to start from, in the text format of GloVe or fastText.",
        ),
    ] = None,
    trials: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Total number of trials in the results directory."),
    ] = 20,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="TIME", help="Stop after this time, such as 30m, 2h or 90s."
        ),
    ] = None,
    tuner: Annotated[Algorithm, typer.Option(help="The search algorithm.")] = "tpe",
    objective: Annotated[
        Objective, typer.Option(metavar="SCORE", help=f"The score to optimise: {SCORES}.")
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
        int, typer.Option(metavar="N", help="Random seed: the same seed gives the same results.")
    ] = 0,
    space: Annotated[
        str, typer.Option(metavar="NAME", help="The search space: core, wide or a .toml file.")
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
        Path | None,
        typer.Option(metavar="PATH", help="Try the best configurations of an earlier run first."),
    ] = None,
    max_parameters: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Exclude networks with more trainable parameters."),
    ] = None,
    max_epochs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Maximum number of epochs of a trial.")
    ] = 10,
    min_epochs: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Epochs before weak trials are pruned for the first time."
        ),
    ] = 1,
    reduction: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Keep one in this many trials at each pruning; 1 prunes none."
        ),
    ] = 2,
    patience: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Stop a trial after this many epochs without improvement."
        ),
    ] = 2,
    finals: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Cross-validate this many of the best trials; 0 for none. "
            "2 by default, or 1 where that takes long.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            max=20,
            help="Cross-validation folds; 5 by default, or 3 for large data.",
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
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Export this many of the best trials.")
    ] = 1,
    export: Annotated[
        str | None,
        typer.Option(
            metavar="FORMATS",
            help="Further formats of the best model, such as saved_model,onnx,litert.",
        ),
    ] = None,
    results: Annotated[
        Path, typer.Option(parser=folder, metavar="PATH", help="Where everything is written.")
    ] = Path("results"),
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Trials in parallel; by default what cores and memory allow."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Train on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT.",
        ),
    ] = None,
    device: Annotated[
        Device,
        typer.Option(
            help="auto, cpu (GPUs are not used) or gpu (Keras trains on the GPU; mostly slower)."
        ),
    ] = "auto",
    cpus_per_trial: Annotated[
        float, typer.Option(metavar="N", help="Cluster cores per trial.")
    ] = 1,
    gpus_per_trial: Annotated[
        float, typer.Option(metavar="N", help="Cluster GPUs per trial, such as 0.25.")
    ] = 0,
    keep: Annotated[
        int, typer.Option(metavar="N", min=1, help="Keep the weights of this many trials.")
    ] = 5,
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
    mlflow: Annotated[
        str | None,
        typer.Option(
            metavar="[URI]",
            help="Log the search to MLflow, such as http://127.0.0.1:5000; without a URI, at "
            "MLFLOW_TRACKING_URI.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON to stdout, one object per line, instead of the table."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Search for the best hyperparameters of a text classifier.

    Leaves leaderboard.csv, best_model.keras and best_model.json in the results directory. Running
    the same command again resumes the search.

    Example: python -m search.run --data reviews.csv --trials 20
    """
    options = locals()
    with command(debug=debug):
        check_whole("search.run")
        settings = settings_of(options)
        if conclude and overwrite:
            raise SettingsError("--conclude cannot be used with --overwrite")
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


if __name__ == "__main__":
    run_and_leave(app)
