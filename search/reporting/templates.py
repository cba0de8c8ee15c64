"""The templates of report.html: everything from data is escaped, and control characters shown."""

from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from search.display import visible

PAGE = Path(__file__).parent / "page"


def alone(figure: Any) -> str:
    """Returns a `Figure` as HTML for a notebook."""
    shown = TEMPLATES.get_template("figure.html").module.figure(figure)  # type: ignore[attr-defined]
    return f'<style>{page_file("figure.css")}</style><div class="figures">{shown}</div>'


def page_file(name: str) -> str:
    """The text of a style sheet or a script."""
    return (PAGE / name).read_text(encoding="utf-8")


def _cell(value: Any) -> str:
    """Formats a table cell for people."""
    if isinstance(value, Markup):
        return value
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def _plain(value: Any) -> str:
    """A cell's value to sort by."""
    return str(value) if _cell(value) else ""


def _shown(value: Any) -> Any:
    """Escapes control characters in everything that a template prints."""
    return value if isinstance(value, Markup) else visible(value)


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(PAGE),
    autoescape=True,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"cell": _cell, "plain": _plain}
