"""`python -m search.predict`: classify texts with an exported model."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from search.commands import command, folder, run_and_leave, say, show
from search.corpus.dialect import Form
from search.display import briefly, counted, visible
from search.errors import DataError, SettingsError
from search.options import Debug, Delimiter, NoHeader, QuotationMarks, TextColumn
from search.startup import check_modules

app = typer.Typer(add_completion=False, rich_markup_mode=None)

BETWEEN_REPORTS = 10  # seconds
LONGEST_NAME = 255  # characters of a file's name


@app.command(short_help="Classify texts, or the rows of a file.")
def main(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to classify.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A file to classify, such as .csv, .jsonl, .parquet or .xlsx."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write the copy with answers, instead of NAME.predicted.csv.",
        ),
    ] = None,
    text_column: TextColumn = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Encoding of the file, such as windows-1252; UTF-8 by default."
        ),
    ] = None,
    delimiter: Delimiter = None,
    quote: QuotationMarks = None,
    no_header: NoHeader = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each text; for a file, a summary.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show the words that decided each answer, and how much."),
    ] = False,
    results: Annotated[
        Path,
        typer.Option(
            parser=folder, metavar="PATH", help="The results of a search; its best model is used."
        ),
    ] = Path("results"),
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Another .keras file that a search exported."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the answers only.")] = False,
    debug: Debug = False,
) -> None:
    """Classify texts: those given, those of a file, or the lines of the standard input.

    Prints label, probability, whether to abstain, and the text. With --file, writes a copy of the
    file with the columns label, probability and abstain.

    Example: cat reviews.txt | python -m search.predict > answers.tsv
    """
    with command(debug=debug, stopped="stopped"):
        path = model or results / "best_model.keras"
        if file is None:
            for name, value in (
                ("--output", output),
                ("--text-column", text_column),
                ("--encoding", encoding),
                ("--delimiter", delimiter),
                ("--quote", quote),
                ("--no-header", no_header or None),
            ):
                if value is not None:
                    raise SettingsError(f"{name} needs --file")
            given = None if texts == ["-"] else texts  # "-" is the standard input, as elsewhere
            classify_texts(path, given, as_json=as_json, quiet=quiet, explain=explain)
            return
        if explain:
            raise SettingsError("--explain cannot be used with --file")
        if texts:
            raise SettingsError(f"expected texts or --file, found both: {texts[0]!r} and {file}")
        form = Form(encoding, delimiter, quote, no_header)
        classify_file(path, file, output, text_column, form, as_json=as_json, quiet=quiet)


def classify_texts(
    model: Path, texts: list[str] | None, *, as_json: bool, quiet: bool, explain: bool
) -> None:
    """Prints a line for each text, or for each line of the standard input as they come."""
    from search.packaging.classifier import load_classifier
    from search.packaging.lines import answer_lines, texts_of

    classifier = load_classifier(model)
    for text in texts or ():
        if not quiet and len(text) <= LONGEST_NAME and Path(text).is_file():
            say(f"{text} is a file, of which only the name is classified; its rows: --file {text}")
    if not texts and sys.stdin.isatty() and not quiet:
        say("reading texts from the terminal, one a line; Ctrl-D ends")
    for some in [texts] if texts else texts_of(sys.stdin.fileno()):
        lines = answer_lines(classifier, some, as_json=as_json, explain=explain)
        answers = "".join(f"{line}\n" for line in lines)
        if sys.stdout.isatty():
            answers = visible(answers)  # a program gets what it gave, and no terminal acts on it
        sys.stdout.buffer.write(answers.encode(errors="replace"))
        sys.stdout.buffer.flush()


def classify_file(
    model: Path,
    file: Path,
    output: Path | None,
    text_column: str | None,
    form: Form,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Adds answers to a file, and prints what they are like."""
    check_modules("--file", ["pandas", "pyarrow"], None)  # an installation for texts has neither
    from search.packaging.classifier import load_classifier
    from search.packaging.scoring import check_files, score_file, target_of

    if file.is_dir():
        raise DataError(f"{file}: is a folder; expected a file, or the lines of the standard input")
    target = output or target_of(file)
    check_files(file, target)
    classifier = load_classifier(model)
    started = reported = time.monotonic()

    def progress(rows: int) -> None:
        nonlocal reported
        if time.monotonic() - reported > BETWEEN_REPORTS and not quiet:
            reported = time.monotonic()
            say(f"{rows:,} rows, {rows / (reported - started):,.0f} a second")

    tell = (lambda message: None) if quiet else say
    found = score_file(file, target, classifier, text_column, progress, form, tell)
    if found["empty"] and not quiet:
        say(f"{found['empty']} of {found['rows']} rows have no text; each is read as an empty text")
    if found["abstained"] is None and not quiet:
        say(
            f"there is no threshold above which 95% of the validation predictions were correct: "
            f"the column {found['columns'][2]} is empty"
        )
    if as_json:
        typer.echo(json.dumps({"output": str(target), **found}))
        return
    for label, rows in sorted(found["labels"].items()):
        show(f"{briefly(label)}: {counted(rows, 'row')}")
    if found["abstained"] is not None:
        show(f"abstain: {counted(found['abstained'], 'row')}")
    show(f"answers: {target}")


if __name__ == "__main__":
    run_and_leave(app)
