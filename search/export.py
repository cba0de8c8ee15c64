"""`python -m search.export`: exports the best model of a search to other formats."""

from pathlib import Path
from typing import Annotated

import typer

from search.commands import command, folder, run_and_leave, say, show, stray
from search.options import Debug
from search.startup import check_whole

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=stray("--results"), short_help="Export the best model to other formats.")
def main(
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMATS",
            help="saved_model, onnx or litert; several with commas between them.",
        ),
    ],
    results: Annotated[
        Path,
        typer.Option(
            parser=folder,
            metavar="PATH",
            help="The results of a search; its best model is exported.",
        ),
    ] = Path("results"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    debug: Debug = False,
) -> None:
    """Export the best model of a search, and check the export in its own runtime.

    Leaves a folder of the format's name in the results directory: a SavedModel that takes texts, or
    an ONNX or LiteRT model that takes code points, the numbers of their characters.

    Example: python -m search.export --format saved_model,onnx
    """
    with command(debug=debug, stopped="stopped; what was exported before stays as it was"):
        check_whole("search.export")
        from search.packaging.formats import chosen_formats, export_best
        from search.packaging.model_card import write_card
        from search.packaging.modelfile import ModelFile
        from search.tuning.rundir import RunDirectory

        names = chosen_formats(formats)
        run = RunDirectory(results)
        ModelFile(run.best_model)  # before the directory is claimed, which would make one
        with run.claimed():
            for name in names:
                if not quiet:
                    say(f"exporting {name}, and running it on 500 texts")
                measured = export_best(run, [name])["formats"][name]
                show(f"{name}: {results / name} ({format_line(measured)})")
            write_card(run)


def format_line(measured: dict[str, float]) -> str:
    """Describes parity and speed of a format in one line."""
    return (
        f"{measured['median_ms']:.2f} ms a text, 95% below {measured['p95_ms']:.2f} ms, "
        f"{measured['texts_per_second']:,.0f} texts/s in batches of 32; at most "
        f"{measured['parity']:.1g} from the search on {measured['texts']} texts"
    )


if __name__ == "__main__":
    run_and_leave(app)
