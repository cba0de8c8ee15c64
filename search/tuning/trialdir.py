"""The directory of one trial or final: its record, state, weights and predictions.

The order of writing is what makes every state that a kill can leave a valid one:

- trial.json with the status "running" exists before the first epoch;
- state.npz is replaced after every epoch and holds the epochs' records along with the state;
- best.npz is written before trial.json says "completed", and state.npz removed after it.
"""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.errors import TrialFailure, one_line
from search.files import flush_folder, npy, npz, write_atomically, write_json, write_text
from search.tuning.quarantine import Arrays, Quarantine
from search.tuning.records import EPOCHS, Epoch, TrialRecord
from search.untrusted import array_of, content_of, object_of

Weights = list[npt.NDArray[Any]]


class TrialDirectory:
    """The files of one trial or final.

    Args:
        path: the folder, named by the trial's id; made by `save_record`.
        quarantine: reads its files, and sets damaged ones aside.
    """

    def __init__(self, path: Path, quarantine: Quarantine) -> None:
        self.path = path
        self._quarantine = quarantine
        self._state = path / "state.npz"
        self._weights = path / "best.npz"
        self._predictions = path / "validation.npy"
        self.error_file = path / "error.txt"

    # -- its record ------------------------------------------------------------------------

    def load_record(self) -> TrialRecord:
        """Returns the content of trial.json.

        Raises:
            ValueError: there is none, it is damaged, or it belongs to another trial.
        """
        plain = self._quarantine.read_json(self.path / "trial.json")
        if plain is None:
            raise ValueError("there is no trial.json")
        record = TrialRecord.from_json(plain)
        if record.trial_id != self.path.name:
            raise ValueError(f"it is of trial {record.trial_id}")
        return record

    def save_record(self, record: TrialRecord) -> None:
        """Writes trial.json and history.csv; a trial that completed has no error.txt any more."""
        if not self.path.exists():
            self.path.mkdir()
            flush_folder(self.path.parent)  # or the folder could be lost with what is in it
        if record.history:
            lines = ["epoch,loss,val_loss,val_accuracy,seconds"]
            lines += [
                f"{e.epoch},{e.loss!r},{e.val_loss!r},{e.val_accuracy!r},{e.seconds:.3f}"
                for e in record.history
            ]
            write_text(self.path / "history.csv", "\n".join(lines) + "\n")
        if record.status == "completed":  # after it had failed before
            self.error_file.unlink(missing_ok=True)
        # Last: what it says is there, is there.
        write_json(self.path / "trial.json", record.to_json())

    def save_error(self, traceback: str) -> None:
        """Writes error.txt."""
        write_text(self.error_file, traceback)

    def failure(self) -> TrialFailure | None:
        """Returns the saved traceback as the cause of another error; None if there is none."""
        try:
            return TrialFailure(self.error_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    # -- its checkpoint --------------------------------------------------------------------

    def save_state(self, history: tuple[Epoch, ...], state: Arrays) -> None:
        """Writes state.npz, the checkpoint from which training resumes.

        Args:
            history: the epochs so far.
            state: arrays by name, as `TrainResult.state` has them after the last of them.
        """
        # One file: two could be of different epochs after a kill.
        epochs = json.dumps([asdict(epoch) for epoch in history]).encode()
        content = {"history": np.frombuffer(epochs, np.uint8), **state}
        write_atomically(self._state, npz(content))

    def load_state(self) -> tuple[tuple[Epoch, ...], Arrays] | None:
        """Returns the history and state of the checkpoint; None if it is missing or damaged."""
        arrays = self._quarantine.read_arrays(self._state)
        if arrays is None:
            return None
        try:
            epochs = json.loads(arrays.pop("history").tobytes())
            return EPOCHS.validate_python(epochs), arrays
        except (KeyError, ValueError) as error:
            self._quarantine.set_aside(self._state, one_line(error, 200))
            return None

    def remove_state(self) -> None:
        """Removes the checkpoint."""
        self._state.unlink(missing_ok=True)

    # -- its best epoch --------------------------------------------------------------------

    def save_weights(self, weights: Weights) -> None:
        """Writes best.npz: the weights of the best epoch, as model.get_weights().

        Those of several networks follow each other.
        """
        arrays = {f"{number:04d}": array for number, array in enumerate(weights)}
        write_atomically(self._weights, npz(arrays))

    def load_weights(self) -> Weights | None:
        """Returns the weights of the best epoch; None if they are missing or damaged."""
        arrays = self._quarantine.read_arrays(self._weights)
        return None if arrays is None else [arrays[name] for name in sorted(arrays)]

    def has_weights(self) -> bool:
        """Whether there is a best.npz; whether it is damaged shows when it is read."""
        return self._weights.is_file()

    def remove_weights(self) -> None:
        """Removes best.npz."""
        self._weights.unlink(missing_ok=True)

    def save_predictions(self, probabilities: npt.NDArray[np.float32]) -> None:
        """Writes validation.npy: the best epoch's probabilities of the rows that it predicts.

        Args:
            probabilities: (rows, classes), or (rows, 1) of the second of two classes.
        """
        write_atomically(self._predictions, npy(probabilities))

    def load_predictions(self, rows: int) -> npt.NDArray[np.float32] | None:
        """Returns the saved probabilities; None if they are missing, damaged or not of `rows`."""

        def parse(content: bytes) -> npt.NDArray[np.float32]:
            found = array_of(content)
            check_predictions(found, rows)
            return found

        return self._quarantine.read(self._predictions, parse)


def check_predictions(found: npt.NDArray[Any], rows: int) -> None:
    """Checks that an array can be a model's probabilities of so many rows.

    Raises:
        ValueError: it has another shape, or other numbers than probabilities.
    """
    if found.ndim != 2 or len(found) != rows or not found.shape[1] or found.dtype.kind != "f":
        raise ValueError(f"its shape is {found.shape}, for {rows} rows")
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError("it has numbers that are no probabilities")


def readable_records(results: Path) -> list[TrialRecord]:
    """Returns the trials and finals of a run that another process may be writing, by number.

    What cannot be read is skipped and left as it is: only the process that holds the lock of a
    run may repair it.
    """
    found = []
    for path in results.glob("trials/*/trial.json"):
        with contextlib.suppress(OSError, ValueError):
            record = TrialRecord.from_json(object_of(content_of(path)))
            if record.trial_id == path.parent.name:
                found.append(record)
    return sorted(found, key=lambda record: (record.number, record.trial_id))
