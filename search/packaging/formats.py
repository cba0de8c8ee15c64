"""Exports the best model to other formats, each checked in its own runtime first.

A SavedModel takes texts. ONNX and LiteRT models take code points: int32, (texts, characters),
padded with 0 on the right. Each format is a folder, which has the classifier.json of the model
file, too.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from search.corpus.encode import decode
from search.corpus.store import Corpus
from search.errors import ResultsError
from search.files import flush_folder, flush_tree, temporary_folder, write_json, write_text
from search.packaging.classifier import load_classifier
from search.packaging.description import DESCRIPTION, Description
from search.packaging.modelfile import ModelFile
from search.packaging.parity import MADE, TEXTS, check_parity, started, tried_texts
from search.settings import Format, Settings
from search.startup import check_modules
from search.tuning.rundir import RunDirectory
from search.version import __version__

NEEDED: dict[Format, tuple[str, ...]] = {
    "saved_model": ("tensorflow",),
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
}
"""The modules that a format needs; those of a format are an extra of its name."""


def chosen_formats(names: str) -> tuple[Format, ...]:
    """Formats from their names with commas between them.

    Raises:
        SettingsError: one is unknown, or what it needs is not installed.
    """
    settings = Settings(export=names)
    check_installed(settings.export)
    return settings.export


def check_installed(formats: Iterable[Format]) -> None:
    """Checks that the packages that some formats need are installed.

    Raises:
        SettingsError: one is missing; the message says how to install it.
    """
    for name in formats:
        check_modules(f"the format {name}", NEEDED[name], name)


def export_best(run: RunDirectory, formats: Iterable[Format]) -> dict[str, Any]:
    """Exports the best model of a run to some formats, and adds their figures to best_model.json.

    Args:
        run: the results directory, claimed by this process.
        formats: from `chosen_formats`.

    Returns:
        The content of best_model.json.

    Raises:
        ParityError: a format gives other probabilities than the search; its folder is unchanged.
    """
    file = ModelFile(run.best_model)
    if file.description.tokens != "unicode":
        raise ResultsError(
            f"{file.path}: is of version 0.1, and can be used with search.predict only; "
            "`python -m search.run` makes a new one"
        )
    facts = run.read_json(run.best_model_facts)
    if facts is None:
        raise ResultsError(
            f"{run.path}: there is no best_model.json; `python -m search.run` with the settings "
            "of its run writes it"
        )
    texts = _validation_texts(run.cache(facts["data_fingerprint"]).corpus)
    for name in formats:
        facts["formats"][name] = _export(run, file, name, texts)
        write_json(run.best_model_facts, facts)
    return facts


def onnx_metadata(description: Description) -> dict[str, str]:
    """What an ONNX file says of itself, as `get_modelmeta().custom_metadata_map` has it.

    Returns:
        version: of this package. class_names: a JSON list. input, output: sentences.
        abstain_confidence: a number, if there is one; see `Classifier.predict`.
    """
    names, least = description.class_names, description.abstain
    columns, what = len(names), "one for each class"
    if len(names) == 2:
        columns, what = 1, f"that of the class {names[1]!r}"
    return {
        "version": __version__,
        "class_names": json.dumps(names, ensure_ascii=False),
        "input": "code_points: int32, (texts, characters): the Unicode code points of each text, "
        "padded with 0 on the right",
        "output": f"probabilities: float32, (texts, {columns}): {what}",
        **({} if least is None else {"abstain_confidence": str(least.confidence)}),
    }


def remove_exports(run: RunDirectory) -> None:
    """Removes the exports of an earlier best model."""
    for name in NEEDED:
        run.artefacts.remove(name)


def _export(run: RunDirectory, file: ModelFile, name: Format, written: list[str]) -> dict[str, Any]:
    """Exports one format, whole or not at all; returns its parity and speed."""
    texts = tried_texts(written, file.vocabulary())
    expected = load_classifier(file.path).score(texts)
    run.artefacts.claim([name])
    folder = run.path / name
    with temporary_folder(folder) as partial:
        path, target = (str(place.absolute()) for place in (file.path, partial))
        metadata = onnx_metadata(file.description)
        started().ask(do="convert", format=name, path=path, target=target, metadata=metadata)
        description = file.description.model_dump(mode="json")
        write_text(partial / DESCRIPTION, json.dumps(description, indent=2, ensure_ascii=False))
        proof = check_parity(partial, name, texts, expected, timed=len(written) or len(texts))
        flush_tree(partial)  # what converters wrote
        run.artefacts.remove(name)
        if folder.exists():
            other = next((p for p in folder.rglob("*") if not p.is_dir()), folder)
            raise ResultsError(f"{other}: is not made by this run; move it away")
        run.artefacts.record(name, at=partial)
        partial.rename(folder)
    flush_folder(folder.parent)
    size = sum(part.stat().st_size for part in folder.rglob("*") if part.is_file())
    return {**proof, "size_bytes": size}


def _validation_texts(corpus: Path) -> list[str]:
    """Texts of known tokens of the validation rows; none if the cache is lost or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError, EOFError, IndexError):
        stored = Corpus.open(corpus)
        split = stored.validation
        step = -(-len(split) // (TEXTS - MADE))
        rows = range(0, len(split), step)
        return decode((split.ids, split.offsets), rows, stored.vocabulary)
    return []
