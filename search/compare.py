"""`python -m search.compare A B`: two runs side by side."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.commands import command, folder, run_and_leave, show
from search.options import Debug
from search.startup import check_whole

if TYPE_CHECKING:
    from search.reporting.differences import Comparison

app = typer.Typer(add_completion=False, rich_markup_mode=None)

LONGEST = 40  # characters of a value that are shown


@app.command(short_help="Compare two runs.")
def main(
    a: Annotated[
        Path, typer.Argument(parser=folder, metavar="A", help="The results directory of one run.")
    ],
    b: Annotated[
        Path,
        typer.Argument(parser=folder, metavar="B", help="The results directory of the other run."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, with whole values.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Compare two runs: settings, cost, results, and and which model is better.

    Nothing is trained and the test rows are not looked at: the winners are compared on the
    validation rows that both runs have.

    Example: python -m search.compare results my_results
    """
    with command(debug=debug):
        check_whole("search.compare")
        from search.reporting.archive import read_archive
        from search.reporting.differences import compare

        found = compare(read_archive(a), read_archive(b))
        if as_json:
            typer.echo(json.dumps({"a": str(a), "b": str(b), **asdict(found)}))
        else:
            _print(str(a), str(b), found)


def _print(a: str, b: str, found: "Comparison") -> None:
    """Prints the comparison as text."""
    show("settings that differ:" if found.differences else "no setting differs")
    if found.differences:
        show(_columns([("", a, b), *((k, *v) for k, v in found.differences.items())]), table=True)
    show("\nresults:")
    show(_columns([("", a, b), *((k, *v) for k, v in found.facts.items())]), table=True)
    show(f"\n{found.verdict}")


def _columns(rows: list[tuple[Any, Any, Any]]) -> str:
    shown = [[_short(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in shown) for n in range(3)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in shown
    )
    return "\n".join(line.rstrip() for line in lines)


def _short(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


if __name__ == "__main__":
    run_and_leave(app)
