"""The exported model in MLflow's flavour pyfunc: texts in, a table of answers out.

The folder carries this package along, so that it can be loaded where only the packages in its
requirements are installed. For a network of this package none of them is TensorFlow.
"""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from search.packaging.classifier import Classifier, load

REQUIRED = (
    *("charset-normalizer", "filelock", "h5py", "markupsafe", "numba", "numpy", "pandas"),
    *("pydantic", "scipy", "threadpoolctl"),
)
"""Distributions that the model needs to answer."""

WITH_KERAS = ("keras", "tensorflow")
"""And a network that is not of this package."""


class Answering:
    """What `mlflow.pyfunc.load_model` wraps.

    Args:
        model: the exported model.
    """

    def __init__(self, model: Classifier) -> None:
        self._model = model

    def predict(self, table: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Classifies texts.

        Args:
            table: texts in its only column, as MLflow makes it of a list or a Series, too.
            params: of MLflow; there are none.

        Returns:
            One row a text: label, probability (of the label), and the probability of each class
            in a column with its name after "probability_".
        """
        every = self._model.predict_proba(table.iloc[:, 0])
        names = self._model.classes_
        answers = pd.DataFrame({"label": names[every.argmax(axis=1)], "probability": every.max(1)})
        each = pd.DataFrame(every, columns=[f"probability_{name}" for name in names])
        return pd.concat([answers, each], axis=1)


def save_pyfunc(model: Path, folder: Path) -> None:
    """Writes an exported model as a folder that `mlflow.pyfunc.load_model` loads.

    Args:
        model: best_model.keras.
        folder: must not exist.
    """
    description = load(model).description
    names = [f"probability_{name}" for name in description.class_names]
    needed = REQUIRED + (() if description.network == "bilstm" else WITH_KERAS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, about examples and types
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types.schema import ColSpec, Schema

        outputs = [ColSpec("string", "label"), ColSpec("double", "probability")]
        mlflow.pyfunc.save_model(
            folder,
            loader_module=__name__,
            data_path=str(model),
            code_paths=[str(Path(__file__).parent.parent)],
            pip_requirements=[f"{name}=={version(name)}" for name in needed],
            signature=ModelSignature(
                Schema([ColSpec("string")]),
                Schema([*outputs, *(ColSpec("double", name) for name in names)]),
            ),
        )


def _load_pyfunc(path: str) -> Answering:
    """Called by MLflow with the path of the .keras file in the folder."""
    return Answering(load(path))
