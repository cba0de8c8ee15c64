"""The examples in docstrings, which are run as they are shown but for what differs every time."""

import doctest
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import search

QUICK = {
    rf"({kind}\(.*)\btrials=\d+": rf"\1trials=1, max_epochs=2, finals=0, workers=1, {ngrams}"
    for kind, ngrams in {
        "Settings": "set={'ngrams': 'none'}",
        "Classifier": "space={'ngrams': 'none'}",
    }.items()
}
"""What takes the place of code in an example, by regular expressions for it."""


class Alike(doctest.OutputChecker):
    """Takes any fraction for any other, either label for the other, and … as `doctest` does."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(_vague(want), _vague(got), optionflags)


def _vague(text: str) -> str:
    return re.sub(r"\d+\.\d+(e-\d+)?", "#", re.sub(r"(posi|nega)tive", "LABEL", text))


def public() -> dict[str, Any]:
    """Every public name, the methods of what a user works with, and the package itself."""
    found: dict[str, Any] = {"search": search}
    found |= {name: getattr(search, name) for name in search.__all__ if name != "__version__"}
    from search.packaging.classifier import Classifier

    for kind in (search.TextClassifier, Classifier):
        own = [name for name in vars(kind) if not name.startswith(("_", "set_"))]  # of sklearn
        found |= {f"{kind.__name__}.{name}": getattr(kind, name) for name in own}
    return found


def run_example(owner: Any, replaced: Mapping[str, str] = QUICK, **globs: Any) -> None:
    """Runs the example of one docstring.

    Args:
        owner: what the docstring is of.
        replaced: as `QUICK`.
        globs: what the example may use.

    Raises:
        doctest.DocTestFailure: the output is another one.
    """
    (found,) = _examples(owner)
    for example in found.examples:
        for code, other in replaced.items():
            example.source = re.sub(code, other, example.source)
    found.globs = globs
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DebugRunner(Alike(), optionflags=flags).run(found)


def _examples(owner: Any) -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(recurse=False)
    module = None if isinstance(owner, ModuleType) else False
    return (one for one in finder.find(owner, "example", module) if one.examples)
