"""`python -m search.report`: writes report.html from the records of a run."""

from pathlib import Path
from typing import Annotated

import typer

from search.commands import command, folder, run_and_leave, show, stray
from search.errors import ResultsError
from search.options import Debug
from search.startup import check_whole

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=stray("--results"), short_help="Write report.html from the records of a run.")
def main(
    results: Annotated[
        Path, typer.Option(parser=folder, metavar="PATH", help="The results directory of a run.")
    ] = Path("results"),
    in_browser: Annotated[
        bool, typer.Option("--open", help="Open the report in a browser.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write report.html from the records of a run: finished, killed or still running.

    Example: python -m search.report --results results --open
    """
    with command(debug=debug):
        check_whole("search.report")
        from search.reporting.report import NAME, read_report

        report = read_report(results)
        try:
            path = report.write()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ResultsError(f"{results / NAME}: cannot be written: {reason}") from error
        show(f"report: {path}")
        if in_browser:
            import webbrowser

            webbrowser.open(path.absolute().as_uri())


if __name__ == "__main__":
    run_and_leave(app)
