"""The folder cache/ of a run: what is computed once from the data, and can be computed again."""

from pathlib import Path
from typing import Any

import numpy.typing as npt

from search.files import npz, write_atomically
from search.tuning.quarantine import Arrays, Quarantine
from search.untrusted import array_of


class DataCache:
    """What a run has computed from the data with one fingerprint.

    Args:
        folder: cache/ in the results directory.
        fingerprint: of the data; the names of all files begin with it.
        quarantine: reads the files, and sets damaged ones aside.

    Attributes:
        corpus: the folder of the encoded corpus.
        features: the .npy file of the word features learned from the corpus.
    """

    def __init__(self, folder: Path, fingerprint: str, quarantine: Quarantine) -> None:
        start = fingerprint[:16]
        self.corpus = folder / start
        self.features = folder / f"{start}-features.npy"
        self._baselines = folder / f"{start}-baselines.npz"
        self._answers = folder / f"{start}-answers.npz"
        self._quarantine = quarantine

    def load_features(self, tokens: int) -> npt.NDArray[Any] | None:
        """Returns the word features, (tokens, numbers); None if they are missing or damaged."""

        def parse(content: bytes) -> npt.NDArray[Any]:
            features = array_of(content)
            if len(features) != tokens:
                raise ValueError(f"it has {len(features)} rows")
            return features

        return self._quarantine.read(self.features, parse)

    def save_baselines(self, probabilities: Arrays) -> None:
        """Writes each baseline's probabilities of the judged rows (see `Study`), by its name."""
        write_atomically(self._baselines, npz(probabilities))

    def load_baselines(self) -> Arrays:
        """Returns what `save_baselines` wrote; nothing if it is missing or damaged."""
        return self._quarantine.read_arrays(self._baselines) or {}

    def save_answers(self, probabilities: Arrays) -> None:
        """Writes the exported model's out-of-fold probabilities of the validation rows.

        Args:
            probabilities: "networks", before they are mixed with n-gram models, and "model".
        """
        write_atomically(self._answers, npz(probabilities))

    def has_answers(self) -> bool:
        """Whether the probabilities of baselines and exported model are there, undamaged."""
        kept = (self._baselines, self._answers)
        return all(self._quarantine.read_arrays(path) for path in kept)
