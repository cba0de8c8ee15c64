"""The results directory: what lies where, who may write, and how it heals after a kill.

One process at a time writes here, and every file appears whole (`search.files`). The order of
writing is what makes every state that a kill can leave a valid one:

- trial.json with the status "running" exists before the trial's first epoch;
- state.npz is replaced after every epoch and holds the epochs' records along with the state;
- best.npz is written before trial.json says "completed", and state.npz removed after it.

A file that cannot be read is renamed to *.unreadable and its trial is trained again.
"""

import contextlib
import errno
import json
import os
import platform
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import filelock
import numpy as np
import numpy.typing as npt
import psutil

from search.errors import ResultsError, SearchError, SettingsError, TrialFailure, one_line
from search.files import (
    TEMPORARY,
    flush_folder,
    npy,
    remove_leftover,
    remove_leftovers,
    write_atomically,
    write_json,
    write_text,
)
from search.tuning.artefacts import NAME as LIST
from search.tuning.artefacts import Artefacts
from search.tuning.facts import record_of
from search.tuning.finals import final_ranking
from search.tuning.records import EPOCHS, Epoch, TrialRecord
from search.untrusted import array_of, arrays_of, content_of, object_of

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
Arrays = dict[str, npt.NDArray[Any]]
Weights = list[npt.NDArray[Any]]
T = TypeVar("T")

WARM_STARTS = 3  # trials of another run that are tried first
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


def now(timespec: str = "milliseconds") -> str:
    """The time, ISO 8601 with the time zone; several trials may end in a second."""
    return datetime.now().astimezone().isoformat(timespec=timespec)


class RunDirectory:
    """The files of one run.

    Args:
        path: the results directory; made when the run is claimed.
        warn: gets one sentence for everything that was mended.
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

    def corpus(self, fingerprint: str) -> Path:
        """The folder of the encoded corpus."""
        return self.path / "cache" / fingerprint[:16]

    def features(self, fingerprint: str) -> Path:
        """The word features learned from the corpus."""
        return self.path / "cache" / f"{fingerprint[:16]}-features.npy"

    # -- who may write ---------------------------------------------------------------------

    def check_place(self) -> None:
        """Looks, without making anything, whether results can be written here.

        Raises:
            ResultsError: they cannot.
        """
        place = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not place.is_dir() or not os.access(place, os.W_OK):
            what = "is not a directory" if not place.is_dir() else "cannot be written"
            raise ResultsError(
                f"{self.path}: cannot be used for results: {place} {what}; "
                "choose another directory with --results DIR"
            )

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Makes this process the only writer; the system frees the claim if it dies.

        Raises:
            ResultsError: the directory cannot be written, or another process writes there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):  # whether there can be files
                pass
        except OSError as error:
            raise ResultsError(
                f"{self.path}: cannot be used for results: {error.strerror}; "
                "choose another directory with --results DIR"
            ) from error
        self._check_unowned()
        # The lock decides, since the system takes it from a process that dies; owner.json only says
        # whose it is, and stands in for it where there are no locks.
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ResultsError(
                f"{self.path}: in use by {self._owner()}; wait for it, or choose another "
                "directory with --results DIR"
            ) from None
        except (OSError, NotImplementedError) as error:
            if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
                raise
            if self._owner_lives():
                raise ResultsError(f"{self.path}: in use by {self._owner()}") from None
            self.warn(
                f"{self.path}: its file system has no locks; start no other search there while "
                "this one runs"
            )
        try:
            started = datetime.fromtimestamp(psutil.Process().create_time()).astimezone()
            write_json(
                self.path / "owner.json",
                {
                    "pid": os.getpid(),
                    "host": socket.gethostname(),
                    "started_at": started.isoformat(timespec="milliseconds"),
                },
            )
            self._remove_leftovers()
            yield
        except SearchError:
            raise
        except Exception as error:
            if (self.path / ".lock").exists():
                raise
            # Whatever went wrong did so because its files are gone.
            raise ResultsError(
                f"{self.path}: the results directory is gone: it was moved or removed while it was "
                "written to. Put it back, and the same command goes on from there"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                (self.path / "owner.json").unlink(missing_ok=True)
            lock.release()

    def _check_unowned(self) -> None:
        """Looks whether the names of lock and owner are free, or this project's."""
        lock, owner = self.path / ".lock", self.path / "owner.json"
        ours = not lock.is_symlink() and not (lock.exists() and lock.stat().st_size)
        if ours and (owner.is_symlink() or owner.exists()):
            lock = owner
            ours = not owner.is_symlink() and (
                not owner.stat().st_size or b'"started_at"' in content_of(owner)
            )
        if not ours:
            raise ResultsError(
                f"{lock}: is not made by a search: it is left as it is. Move it away, or choose "
                "another directory with --results DIR"
            )

    def _remove_leftovers(self) -> None:
        """Removes what a killed process left under temporary names; nobody else's files."""
        ours = "|".join(re.escape(name) for name in (*NAMES, *FOLDERS, "owner.json", LIST))
        for path in self.path.iterdir():
            if re.fullmatch(rf"({ours})(\.[0-9a-f]+)?{re.escape(TEMPORARY)}", path.name):
                remove_leftover(path)
        made = self.artefacts.made
        for name in FOLDERS:
            if name in made and not (self.path / name).is_symlink():
                remove_leftovers(self.path / name)

    def _owner_lives(self) -> bool:
        """Whether the process that owner.json names is there, as far as can be seen from here."""
        try:
            owner = json.loads((self.path / "owner.json").read_text(encoding="utf-8"))
            started = datetime.fromisoformat(owner["started_at"]).timestamp()
            if owner["host"] != socket.gethostname():
                return True
            return abs(psutil.Process(owner["pid"]).create_time() - started) < 1
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return False

    def _owner(self) -> str:
        try:
            owner = json.loads((self.path / "owner.json").read_text(encoding="utf-8"))
            return f"process {owner['pid']} on {owner['host']}, started at {owner['started_at']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

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
                    "Start anew with --overwrite (the old run is moved aside), or choose another "
                    "directory with --results DIR"
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

    def save_baselines(self, fingerprint: str, probabilities: dict[str, npt.NDArray[Any]]) -> None:
        """Writes what each baseline says of the validation rows."""
        write_atomically(self._kept(fingerprint, "baselines"), _npz(probabilities))

    def load_baselines(self, fingerprint: str) -> Arrays:
        """What `save_baselines` wrote; nothing where there is nothing, or nothing readable."""
        return self._load_arrays(self._kept(fingerprint, "baselines")) or {}

    def save_answers(self, fingerprint: str, probabilities: dict[str, npt.NDArray[Any]]) -> None:
        """Writes what the exported model says of the validation rows, out of fold.

        Args:
            fingerprint: of the data.
            probabilities: "networks", before they are mixed, and "model".
        """
        write_atomically(self._kept(fingerprint, "answers"), _npz(probabilities))

    def has_answers(self, fingerprint: str) -> bool:
        """Whether what baselines and the exported model say is there, and can be read."""
        kept = (self._kept(fingerprint, name) for name in ("baselines", "answers"))
        return all(self._load_arrays(path) for path in kept)

    def _kept(self, fingerprint: str, name: str) -> Path:
        return self.path / "cache" / f"{fingerprint[:16]}-{name}.npz"

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

    # -- trials ----------------------------------------------------------------------------

    def folder(self, trial_id: str) -> Path:
        """The folder of a trial."""
        return self.trials / trial_id

    def records(
        self, check: Callable[[TrialRecord], None] = lambda record: None
    ) -> list[TrialRecord]:
        """All trials and finals that can be read, by number; the others are set aside.

        Args:
            check: raises ValueError for a record that cannot be used.
        """
        if not self.trials.is_dir():
            return []
        found = []
        for folder in sorted(self.trials.iterdir()):
            if not folder.is_dir() or not re.fullmatch(r"\d+(-\d+)?", folder.name):
                continue
            plain = self.read_json(folder / "trial.json")
            try:
                if plain is None:
                    raise ValueError("there is no trial.json")
                record = TrialRecord.from_json(plain)
                if record.trial_id != folder.name:
                    raise ValueError(f"it is of trial {record.trial_id}")
                check(record)
                found.append(record)
            except ValueError as error:
                if any(folder.iterdir()):
                    self.set_aside(folder, one_line(error, 200))
                else:
                    folder.rmdir()  # killed between making the folder and its first file
        return sorted(found, key=lambda record: (record.number, record.trial_id))

    def save_record(self, record: TrialRecord) -> None:
        """Writes trial.json, and beside it what people like to open: history.csv, error.txt."""
        folder = self.folder(record.trial_id)
        if not folder.exists():
            folder.mkdir()
            flush_folder(self.trials)  # or the folder could be lost with what is in it
        if record.history:
            lines = ["epoch,loss,val_loss,val_accuracy,seconds"]
            lines += [
                f"{e.epoch},{e.loss!r},{e.val_loss!r},{e.val_accuracy!r},{e.seconds:.3f}"
                for e in record.history
            ]
            write_text(folder / "history.csv", "\n".join(lines) + "\n")
        if record.status == "completed":  # after it had failed before
            self.error_file(record.trial_id).unlink(missing_ok=True)
        # Last: what it says is there, is there.
        write_json(folder / "trial.json", record.to_json())

    def save_error(self, trial_id: str, traceback: str) -> None:
        """Writes error.txt."""
        write_text(self.error_file(trial_id), traceback)

    def error_file(self, trial_id: str) -> Path:
        """Where the traceback of a trial that failed stands."""
        return self.folder(trial_id) / "error.txt"

    def failure(self, trial_id: str) -> TrialFailure | None:
        """What a trial failed with, as the cause of another error; None where it is not kept."""
        try:
            return TrialFailure(self.error_file(trial_id).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def save_state(self, trial_id: str, history: tuple[Epoch, ...], state: Arrays) -> None:
        """Writes what it takes to go on after the last epoch of `history`, in one file."""
        # Two files could be of different epochs after a kill.
        epochs = json.dumps([asdict(epoch) for epoch in history]).encode()
        content = {"history": np.frombuffer(epochs, np.uint8), **state}
        write_atomically(self.folder(trial_id) / "state.npz", _npz(content))

    def load_state(self, trial_id: str) -> tuple[tuple[Epoch, ...], Arrays] | None:
        """What `save_state` wrote; None where there is nothing, or nothing readable."""
        arrays = self._load_arrays(self.folder(trial_id) / "state.npz")
        if arrays is None:
            return None
        try:
            epochs = json.loads(arrays.pop("history").tobytes())
            return EPOCHS.validate_python(epochs), arrays
        except (KeyError, ValueError) as error:
            self.set_aside(self.folder(trial_id) / "state.npz", one_line(error, 200))
            return None

    def remove_state(self, trial_id: str) -> None:
        """Removes what is only needed to go on."""
        (self.folder(trial_id) / "state.npz").unlink(missing_ok=True)

    def save_weights(self, trial_id: str, weights: Weights) -> None:
        """Writes best.npz: the weights of the best epoch, as model.get_weights()."""
        arrays = {f"{number:04d}": array for number, array in enumerate(weights)}
        write_atomically(self.folder(trial_id) / "best.npz", _npz(arrays))

    def load_weights(self, trial_id: str) -> Weights | None:
        """What `save_weights` wrote; None where there is nothing, or nothing readable."""
        arrays = self._load_arrays(self.folder(trial_id) / "best.npz")
        return None if arrays is None else [arrays[name] for name in sorted(arrays)]

    def has_weights(self, trial_id: str) -> bool:
        """Whether there is a best.npz; what is in it shows when it is read."""
        return (self.folder(trial_id) / "best.npz").is_file()

    def remove_weights(self, trial_id: str) -> None:
        """Removes best.npz."""
        (self.folder(trial_id) / "best.npz").unlink(missing_ok=True)

    def save_predictions(self, trial_id: str, probabilities: npt.NDArray[np.float32]) -> None:
        """Writes validation.npy: what the best epoch says of the validation rows."""
        path = self.folder(trial_id) / "validation.npy"
        write_atomically(path, lambda file: file.write(npy(probabilities)))

    def load_predictions(self, trial_id: str, rows: int) -> npt.NDArray[np.float32] | None:
        """What `save_predictions` wrote of so many rows; None where there is nothing readable."""

        def parse(content: bytes) -> npt.NDArray[np.float32]:
            found = array_of(content)
            check_predictions(found, rows)
            return found

        return self._read(self.folder(trial_id) / "validation.npy", parse)

    # -- reading what may be damaged -------------------------------------------------------

    def read_json(self, path: Path) -> dict[str, Any] | None:
        """A JSON object; None where there is none, or an unreadable one, which is set aside."""
        return self._read(path, lambda content: record_of(path, content))

    def load_features(self, fingerprint: str, rows: int) -> npt.NDArray[Any] | None:
        """The features of that many tokens; None where there are none, or no readable ones."""

        def parse(content: bytes) -> npt.NDArray[Any]:
            features = array_of(content)
            if len(features) != rows:
                raise ValueError(f"it has {len(features)} rows")
            return features

        return self._read(self.features(fingerprint), parse)

    def _load_arrays(self, path: Path) -> Arrays | None:
        return self._read(path, arrays_of)

    def _read(self, path: Path, parse: Callable[[bytes], T]) -> T | None:
        """What `parse` makes of a file; None where there is none, or one that it cannot read."""
        try:
            # Read whole first: then an archive's checksums see every byte.
            return parse(content_of(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.set_aside(path, one_line(error, 200))
            return None

    def set_aside(self, path: Path, reason: str) -> None:
        """Renames what cannot be read, so that nothing is lost and nothing trips over it."""
        target = path.with_name(path.name + ".unreadable")
        number = 2
        while target.exists():
            target = path.with_name(f"{path.name}.unreadable{number}")
            number += 1
        path.rename(target)
        self.warn(f"{path} cannot be read ({reason}); it was renamed to {target.name}")


def _npz(arrays: Arrays) -> Callable[[IO[bytes]], None]:
    return lambda file: np.savez(file, allow_pickle=False, **arrays)


def check_predictions(found: npt.NDArray[Any], rows: int) -> None:
    """Looks whether an array can be what a model says of so many rows.

    Raises:
        ValueError: it has another shape, or other numbers than probabilities.
    """
    if found.ndim != 2 or len(found) != rows or not found.shape[1] or found.dtype.kind != "f":
        raise ValueError(f"its shape is {found.shape}, for {rows} rows")
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("it has numbers that are no probabilities")


def machine() -> dict[str, Any]:
    """What a run's times and last decimals depend on, for run.json."""
    from importlib.metadata import version

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        **{name: version(name) for name in ("tensorflow", "keras", "keras-tuner", "numpy")},
    }


def readable_records(results: Path) -> list[TrialRecord]:
    """All trials and finals of a run that another process may be writing, by number.

    What cannot be read is passed over, and left as it is: only its owner mends a run.
    """
    found = []
    for path in results.glob("trials/*/trial.json"):
        with contextlib.suppress(OSError, ValueError):
            record = TrialRecord.from_json(object_of(content_of(path)))
            if record.trial_id == path.parent.name:
                found.append(record)
    return sorted(found, key=lambda record: (record.number, record.trial_id))


def winners(results: Path) -> list[dict[str, Any]]:
    """The hyperparameters of another run's best trials, best first.

    Raises:
        SettingsError: there are none.
    """
    found = readable_records(results)
    finals = {record.trial_id: record for record in found if record.is_final}
    trials = [record for record in found if not record.is_final]
    best = final_ranking(trials, finals)[:WARM_STARTS]
    if not best:
        raise SettingsError(f"--warm-start {results}: there is no finished trial in it")
    return [record.values for record in best]


def _short(value: object) -> str:
    if value is None:
        return "not set"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "…"
