"""The results directory of a run: what lies where, and which run it belongs to.

One process at a time writes here (`search.tuning.lock`), and every file appears whole
(`search.files`). The trials' own directories are in `search.tuning.trialdir`.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from search.errors import ResultsError, one_line
from search.files import TEMPORARY, flush_folder, remove_leftover, remove_leftovers, write_json
from search.tuning.artefacts import NAME as LIST
from search.tuning.artefacts import Artefacts
from search.tuning.datacache import DataCache
from search.tuning.lock import OWNER, locked
from search.tuning.quarantine import Quarantine
from search.tuning.records import TrialRecord, now
from search.tuning.trialdir import TrialDirectory
from search.untrusted import content_of, object_of

OLD_RUNS = "previous"
UNPROVEN = "unproven_model.keras"  # one that does not say what the search said
TEST_OPENED = "test_opened"  # in run.json: whose weights were tested, and when
FOLDERS = ("trials", "cache", "runners_up", "onnx", "saved_model", "litert", "tensorboard")
NAMES = (
    *("run.json", "leaderboard.csv", "best_model.keras", "best_model.json", "MODEL_CARD.md"),
    UNPROVEN,
    *("report.html", "errors.csv", "slices.csv", "audit.json", "oracle.json", *FOLDERS[:2]),
)
"""What every run makes; other folders are claimed when they are wanted."""


class RunDirectory:
    """The files of one run.

    Args:
        path: the results directory; made when the run is claimed.
        warn: called with one sentence for everything that was repaired.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = lambda message: None) -> None:
        self.path = path
        self.warn = warn
        self.trials = path / "trials"
        self.run_file = path / "run.json"
        self.leaderboard = path / "leaderboard.csv"
        self.best_model = path / "best_model.keras"
        self.best_model_facts = path / "best_model.json"
        self.artefacts = Artefacts(path, warn)
        self._quarantine = Quarantine(warn)

    # -- what is in it ---------------------------------------------------------------------

    def trial(self, trial_id: str) -> TrialDirectory:
        """Returns the directory of a trial or final."""
        return TrialDirectory(self.trials / trial_id, self._quarantine)

    def cache(self, fingerprint: str) -> DataCache:
        """Returns what is computed from the data with this fingerprint."""
        return DataCache(self.path / "cache", fingerprint, self._quarantine)

    def records(
        self, check: Callable[[TrialRecord], None] = lambda record: None
    ) -> list[TrialRecord]:
        """Returns all trials and finals that can be read, by number; sets the others aside.

        Args:
            check: raises ValueError for a record that cannot be used.
        """
        if not self.trials.is_dir():
            return []
        found = []
        for folder in sorted(self.trials.iterdir()):
            if not folder.is_dir() or not re.fullmatch(r"\d+(-\d+)?", folder.name):
                continue
            try:
                record = self.trial(folder.name).load_record()
                check(record)
                found.append(record)
            except ValueError as error:
                if any(folder.iterdir()):
                    self.set_aside(folder, one_line(error, 200))
                else:
                    folder.rmdir()  # killed between making the folder and its first file
        return sorted(found, key=lambda record: (record.number, record.trial_id))

    def read_json(self, path: Path) -> dict[str, Any] | None:
        """Returns the JSON object in a file; None if it is missing, or damaged and set aside."""
        return self._quarantine.read_json(path)

    def set_aside(self, path: Path, reason: str) -> None:
        """Renames what cannot be read: see `Quarantine.set_aside`."""
        self._quarantine.set_aside(path, reason)

    # -- who may write ---------------------------------------------------------------------

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Makes this process the only writer for a block; for the errors see `locked`."""
        with locked(self.path, self.warn):
            self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        """Removes what a killed process left under temporary names; nobody else's files."""
        ours = "|".join(re.escape(name) for name in (*NAMES, *FOLDERS, OWNER, LIST))
        for path in self.path.iterdir():
            if re.fullmatch(rf"({ours})(\.[0-9a-f]+)?{re.escape(TEMPORARY)}", path.name):
                remove_leftover(path)
        made = self.artefacts.made
        for name in FOLDERS:
            if name in made and not (self.path / name).is_symlink():
                remove_leftovers(self.path / name)

    # -- whose run it is -------------------------------------------------------------------

    def enter(self, facts: dict[str, Any], *, overwrite: bool = False) -> None:
        """Starts a run here, or takes up the one that is here if it is the same.

        Args:
            facts: the content of run.json; its "identity" decides whether runs are the same.
            overwrite: move an older run aside instead.

        Raises:
            ResultsError: the run that is here differs; the message names each difference.
        """
        if overwrite:
            self._move_aside()
        board = ["tensorboard"] if facts.get("settings", {}).get("tensorboard") else []
        # Where the list is lost, an earlier run says that the names are this project's.
        self.artefacts.claim([*NAMES, *board], known=self._is_run())
        identity = facts["identity"]
        earlier = self.read_json(self.run_file)
        if earlier is not None:
            known = earlier.get("identity", {})
            differences = [
                f"{name} was {_short(known.get(name))}, now {_short(identity.get(name))}"
                for name in sorted({*known, *identity})
                if known.get(name) != identity.get(name)
            ]
            if differences:
                raise ResultsError(
                    f"{self.path}: holds a run with other settings: {'; '.join(differences)}. "
                    "Start anew with --overwrite (the old run is moved aside), or in another "
                    f"directory with --results DIR; --warm-start {self.path} tries the best of "
                    "this run first"
                )
            # What was done stays done, also if it is another process that goes on.
            kept = {name: earlier[name] for name in ("started_at", TEST_OPENED) if name in earlier}
            facts = {**facts, **kept}
        self.trials.mkdir(exist_ok=True)
        write_json(self.run_file, facts)

    def _is_run(self) -> bool:
        """Whether run.json is that of a run, and not somebody's own."""
        try:
            return "identity" in object_of(content_of(self.run_file))
        except (OSError, ValueError):
            return False

    def is_of_other_data(self, fingerprint: str) -> bool:
        """Whether a run is here that is not of the data with this fingerprint; touches nothing."""
        try:
            facts = object_of(content_of(self.run_file))
            return bool(facts["identity"]["data_fingerprint"] != fingerprint)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _move_aside(self) -> None:
        made = set(self.artefacts.made)
        if not made and self._is_run():  # the list is lost
            made = {n for n in (*NAMES, *FOLDERS) if not (self.path / n).is_symlink()}
        inside = [
            path
            for path in self.path.iterdir()
            if path.name in made | {LIST} or path.name.partition(".unreadable")[0] in made
        ]
        if not inside:
            return
        target = self.path / OLD_RUNS / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        target.mkdir(parents=True)
        # run.json last: until it is gone, a kill leaves a run that can be moved again.
        for path in sorted(inside, key=lambda p: (p.name == LIST, p.name == "run.json")):
            path.rename(target / path.name)
        flush_folder(self.path)
        self.warn(f"the earlier run was moved to {target}")

    def open_test(self, weights: str) -> None:
        """Records that the test rows are looked at now, before they are.

        Args:
            weights: whose weights are tested: the id of a trial or a final.
        """
        facts = self.read_json(self.run_file) or {}
        opened = [*facts.get(TEST_OPENED, ())]
        if weights not in [opening["weights"] for opening in opened]:  # but for one that was killed
            opened.append({"weights": weights, "at": now()})
            write_json(self.run_file, {**facts, TEST_OPENED: opened})

    def test_openings(self) -> int:
        """For how many models the test rows were looked at."""
        return len((self.read_json(self.run_file) or {}).get(TEST_OPENED, ()))


def _short(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, dict) and "name" in value:  # a hyperparameter, as KerasTuner writes it
        value = _searched(value)
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "…"


def _searched(config: Mapping[str, Any]) -> str:
    """The values of a hyperparameter, as `--set` takes them."""
    if "values" in config:
        return ",".join(map(str, config["values"]))
    if "value" in config:
        return str(config["value"])
    ends = f"{config.get('min_value')}..{config.get('max_value')}"
    step, scale = config.get("step"), config.get("sampling")
    return (
        ends + (f" in steps of {step}" if step else "") + (f", {scale}" if scale == "log" else "")
    )
