"""A classifier at work with onnxruntime and NumPy alone; copy this file and the folder.

The folder is what `bilstm-search run --export onnx` leaves:
python examples/deploy_onnx.py results/onnx "a warm and funny film" "dull, and far too long"
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


class Classifier:
    """The model in a folder.

    Args:
        folder: with model.onnx and classifier.json.
    """

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        self.classes = facts["class_names"]
        self.sure = (facts["abstain"] or {"confidence": np.inf})["confidence"]
        self._session = onnxruntime.InferenceSession(folder / "model.onnx")

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Of every class, shape (texts, classes)."""
        points = np.zeros((len(texts), max(1, *map(len, texts))), np.int32)
        for row, text in zip(points, texts, strict=True):
            row[: len(text)] = [ord(character) for character in text]
        [found] = self._session.run(None, {"code_points": points})
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found


if __name__ == "__main__":
    classifier, texts = Classifier(Path(sys.argv[1])), sys.argv[2:]
    for text, row in zip(texts, classifier.probabilities(texts), strict=True):
        doubt = "" if row.max() >= classifier.sure else " (unsure)"
        print(f"{classifier.classes[row.argmax()]} {row.max():.3f}{doubt}: {text}")
