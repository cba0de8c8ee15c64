"""Options that several commands have."""

from typing import Annotated

import typer

from search.settings import Quote

TextColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="The column with the text: review, 6, or title,review to join two."
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR", help="Delimiter between columns, such as ';' or tab; detected by default."
    ),
]
QuotationMarks = Annotated[
    Quote | None,
    typer.Option(help="Quotation marks around cells; detected by default."),
]
NoHeader = Annotated[
    bool,
    typer.Option("--no-header", help="The first line of a table is data, not column names."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
