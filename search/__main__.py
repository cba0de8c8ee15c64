"""`bilstm-search`, or `python -m search`: all commands under one name."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from search.commands import run_and_leave
from search.version import __version__

NAMES = ("run", "predict", "report", "compare", "export")
"""Each is a module of that name, which has the same command by itself."""


class Commands(TyperGroup):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order in which they are used."""
        return list(NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them; None where there is none of that name."""
        if cmd_name not in NAMES:
            return None
        command = typer.main.get_command(import_module(f"search.{cmd_name}").app)
        command.name = cmd_name
        return command


app = typer.Typer(cls=Commands, rich_markup_mode=None)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version, and end."
    ),
) -> None:
    """Find the best small recurrent classifier for your texts, and use it.

    Example: bilstm-search run --data reviews.csv --trials 20
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def leave() -> None:
    """Runs the command that the command line names, and ends the process."""
    run_and_leave(app)


if __name__ == "__main__":
    leave()
