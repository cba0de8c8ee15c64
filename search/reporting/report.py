"""report.html: a report of a search in one file, made from its records alone.

It needs no network and no other file. The template engine escapes everything from data, and a
content security policy allows no script but the report's own.
"""

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from search.evaluation.measures import describe_bias, describe_gap
from search.files import write_text
from search.reporting import diagnostics, figures, sensitivity
from search.reporting.archive import Archive, read_archive
from search.reporting.charts import Figure
from search.reporting.templates import TEMPLATES, page_file
from search.reproduce import command_line
from search.tuning.records import now
from search.tuning.rundir import TEST_OPENED

NAME = "report.html"
MISTAKES = 25  # that are shown
BESIDE = ("val_accuracy_ci_low", "val_accuracy_ci_high", "selected")
"""Columns that are shown with others: beside val_accuracy, and by the row's look."""

LATE = ("best_epoch", "epochs", "train_seconds", "parameters", "seed", "started_at", "error")


@dataclass(frozen=True)
class Report:
    """The report of a run; displayed in a notebook.

    Attributes:
        archive: the run's records.
        whole: whether to include figures that take seconds to compute.
    """

    archive: Archive
    whole: bool = True

    @property
    def leaderboard(self) -> pd.DataFrame:
        """Every trial that ended, best first."""
        return self.archive.table

    @cached_property
    def sections(self) -> dict[str, list[Figure]]:
        """All figures, by section."""
        archive = self.archive
        model = diagnostics.predicted(archive)
        return {
            "progress": [
                *_there(figures.over_time(archive), figures.over_epochs(archive)),
                *figures.learning_curves(archive),
            ],
            "hyperparameters": [
                *_there(sensitivity.parallel_coordinates(archive)),
                *_there(sensitivity.importance(archive) if self.whole else None),
                *sensitivity.against_hyperparameters(archive),
            ],
            "costs": figures.against_costs(archive),
            "model": _there(
                None if model is None else diagnostics.confusion(archive, model),
                None if model is None else diagnostics.reliability(model),
                diagnostics.slices(archive),
            ),
        }

    @property
    def figures(self) -> dict[str, Figure]:
        """All figures by name; each is displayed in a notebook."""
        return {figure.name: figure for some in self.sections.values() for figure in some}

    def html(self) -> str:
        """Returns the page as HTML."""
        archive = self.archive
        script = page_file("report.js")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        opened = archive.facts.get(TEST_OPENED, ())
        bias = archive.best.get("selection_bias")
        return TEMPLATES.get_template("report.html").render(
            archive=archive,
            best=archive.best,
            settings=archive.facts["settings"],
            facts=archive.facts,
            counts=Counter(record.status for record in archive.trials),
            seconds=sum(
                e.seconds for r in (*archive.trials, *archive.finals.values()) for e in r.history
            ),
            running=[r for r in archive.trials if r.status == "running"],
            sections=self.sections,
            no_importance=None if "importance" in self.figures else self._no_importance(),
            columns=_columns(archive.table),
            rows=archive.table.to_dict("records"),
            tied=int((archive.table["tied_with_best"] == True).sum()),  # noqa: E712 (or missing)
            leaks=[line for line in archive.audit.get("lines", ()) if line.startswith("LEAK")],
            mistakes=diagnostics.worst(archive, MISTAKES),
            failures=[r for r in archive.trials if r.error or r.notes],
            command=command_line(archive.facts["settings"]),
            opened=len(opened),
            bias=None if bias is None else describe_bias(archive.objective, bias),
            gap=_gap(archive),
            written_at=now("seconds"),
            style=Markup(page_file("figure.css") + page_file("report.css")),
            script=Markup(script),
            script_hash=digest,
        )

    def _no_importance(self) -> str:
        if not self.whole:
            return "Importance is computed when the search ends, and by python -m search.report."
        return sensitivity.without_importance(self.archive)

    def write(self) -> Path:
        """Writes the page into the results directory, atomically; returns its path."""
        path = self.archive.path / NAME
        write_text(path, self.html())
        return path

    def _repr_html_(self) -> str:
        return framed(self.html())


def framed(page: str) -> str:
    """Returns a page in an iframe, so that its styles and those around it stay apart."""
    frame = '<iframe title="report" srcdoc="{}" style="width:100%;height:800px;border:0">'
    return str(Markup(frame + "</iframe>").format(page))


class Rewriting:
    """Rewrites the report of a running search, in at most 1% of its time.

    Args:
        results: the results directory.
        warn: called with a sentence if the report cannot be written.
    """

    def __init__(self, results: Path, warn: Callable[[str], None]) -> None:
        self._results, self._warn = results, warn
        self._next = 0.0

    def __call__(self, *, last: bool = False) -> None:
        """Rewrites the report if it is time to.

        Args:
            last: whether to rewrite it in any case, with all figures.
        """
        begun = time.monotonic()
        if begun < self._next and not last:
            return
        try:
            Report(read_archive(self._results), whole=last).write()
        except Exception as error:  # whatever it is: no search may end because of its report
            self._warn(f"{self._results / NAME} could not be written: {_short(error)}")
        done = time.monotonic()
        self._next = done + 100 * (done - begun)


def _gap(archive: Archive) -> str | None:
    wanted = archive.objective.replace("val", "test", 1), f"{archive.objective}_ci"
    there = all(name in archive.best for name in (*wanted, "test_rows"))
    return describe_gap(archive.objective, archive.best) if there else None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def read_report(results: Path | str = "results") -> Report:
    """Reads the report of a finished, killed or running search from its records.

    Args:
        results: the results directory.

    Returns:
        A `Report`: `figures` by name, `leaderboard`, `html()` and `write()`. In a notebook it
        displays itself.

    Raises:
        ResultsError: there is no run in the directory.

    Examples:
        >>> import search
        >>> report = search.read_report("results")
        >>> report.write()
        PosixPath('results/report.html')
        >>> list(report.figures)
        ['over-time', 'over-epochs', ..., 'confusion', 'reliability', 'slices']
    """
    return Report(read_archive(results))


def _there(*found: Figure | None) -> list[Figure]:
    return [figure for figure in found if figure is not None]


def _columns(table: pd.DataFrame) -> list[str]:
    """The columns with content: scores, then hyperparameters, then the rest."""
    said = [n for n in table.columns if n not in BESIDE and not table[n].isna().all()]
    return sorted(said, key=lambda name: (name in LATE, name.startswith("hp_")))
