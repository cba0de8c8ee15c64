"""Whatever is given as a model: one message, exit code 2, little time and memory, no answer."""

import random
import zipfile

import numpy as np
import pytest

from search.errors import ModelError
from search.packaging.classifier import load_classifier
from tests.conftest import ROOT
from tests.faults.attacked import assert_refused, attacked
from tests.faults.hostile_models import CASES, KERAS

ALL = {**CASES, **KERAS}
TEXTS = ["a fine film", "dull", ""]


@pytest.fixture(scope="module")
def parts(model_file):
    with zipfile.ZipFile(model_file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_there_are_many():
    assert len(ALL) >= 100


@pytest.mark.parametrize("name", ALL)
def test_refused(tmp_path, parts, name):
    (tmp_path / "m.keras").write_bytes(ALL[name](parts))
    with pytest.raises(ModelError) as error:
        load_classifier(tmp_path / "m.keras").classify(TEXTS)
    assert len(str(error.value)) < 800


@pytest.mark.parametrize(
    "name",
    [
        name
        if name in ("a bomb", "22 GB of chunks")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in ALL
    ],
)
def test_refused_by_the_command(tmp_path, monkeypatch, parts, name):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "m.keras").write_bytes(ALL[name](parts))
    end = attacked("search.predict", "--model", "m.keras", "a fine film", cwd=tmp_path)
    assert_refused(end, "m.keras")


@pytest.mark.parametrize(
    ("flips", "cuts"), [(200, 20), pytest.param(5000, 200, marks=pytest.mark.slow)]
)
def test_single_bits_and_cuts(tmp_path, model_file, flips, cuts):
    """A changed file is refused, or what was changed says nothing: the answers are the same."""
    generator, content, path = random.Random(flips), model_file.read_bytes(), tmp_path / "m.keras"
    wanted = load_classifier(model_file).score(TEXTS)
    changed = []
    for _ in range(flips):
        place = generator.randrange(len(content))
        # Half of them where the zip says what is in it: most bytes are numbers, and hashed.
        if generator.random() < 0.5:
            place = len(content) - 1 - generator.randrange(min(5000, len(content)))
        some = bytearray(content)
        some[place] ^= 1 << generator.randrange(8)
        changed.append(bytes(some))
    changed += [content[: generator.randrange(len(content))] for _ in range(cuts)]
    refused = 0
    for some in changed:
        path.write_bytes(some)
        try:
            answers = load_classifier(path).score(TEXTS)
        except ModelError:
            refused += 1
        else:
            np.testing.assert_allclose(answers, wanted, atol=1e-5)
    print(f"{refused} of {len(changed)} refused")
    assert refused > 0.9 * len(changed) - flips / 2
