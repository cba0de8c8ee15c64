"""What the built site has and GitHub has not: files beside `docs/`, and docstrings.

Links from the pages to such files work in both: the site gets a copy of each, and of what that
links to, under its path in the repository. On the page of the API, the docstring of every public
name stands below what the page says of it.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

import search

ROOT = Path(__file__).parent.parent
REFERENCE = "reference.md"
FROM_PAGE = re.compile(r"\]\(\.\./([^)#\s]+)")
ELSEWHERE = re.compile(r"\]\((?!https?:|#|docs/)([^)#\s]+)")


def _with_docstrings(markdown: str) -> str:
    """Adds to each section the directive of mkdocstrings for the name that is its heading."""
    begin, *sections = re.split(r"^(?=## )", markdown, flags=re.MULTILINE)
    whole = [begin]
    for section in sections:
        name = section.splitlines()[0].removeprefix("## ")
        home = getattr(search, name).__module__
        whole.append(f"{section.rstrip()}\n\n::: {home}.{name}\n\n")
    return "".join(whole)


def _is_page(file: File) -> bool:
    return file.abs_src_path is not None and Path(file.abs_src_path).parent == ROOT / "docs"


def _outside(file: File) -> list[str]:
    """The paths, in the repository, of files that a file links to and that are not in `docs/`."""
    if _is_page(file):
        return FROM_PAGE.findall(file.content_string)
    folder = posixpath.dirname(file.src_uri)
    return [posixpath.join(folder, name) for name in ELSEWHERE.findall(file.content_string)]


def on_files(files: Files, config: Any) -> Files:
    """Adds the files that pages link to, and those that they link to in turn."""
    waiting = list(files.documentation_pages())
    while waiting:
        for name in _outside(waiting.pop()):
            if files.get_file_from_path(name) is None and (ROOT / name).is_file():
                added = File.generated(
                    config,
                    name,
                    abs_src_path=str(ROOT / name),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
                files.append(added)
                if added.is_documentation_page():
                    waiting.append(added)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrites links: from a page to what is beside `docs/`, and from there to a page."""
    if _is_page(page.file):
        if page.file.src_uri == REFERENCE:
            markdown = _with_docstrings(markdown)
        return FROM_PAGE.sub(r"](\1", markdown)
    return markdown.replace("](docs/", "](" + "../" * page.file.src_uri.count("/"))
