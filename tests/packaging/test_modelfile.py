"""What a model file says of itself can be read by anybody; a file that was changed is refused."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from search.errors import ModelError
from search.packaging.modelfile import CONFIG, DESCRIPTION, SEAL, WEIGHTS, ModelFile, describe, seal
from tests.conftest import exported


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, parts, *, hashes=True):
    """A zip of these members; with hashes that fit, if somebody knows how to forge them."""
    if hashes and DESCRIPTION in parts:
        facts = json.loads(parts[DESCRIPTION])
        for name in parts.keys() - {DESCRIPTION}:
            facts["hashes"][name] = hashlib.sha256(parts[name]).hexdigest()
        facts[SEAL] = seal(facts)
        parts = {**parts, DESCRIPTION: json.dumps(facts).encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_zipfile_reads_it_and_keras_loads_it(model_file, tmp_path):
    """In another process, without this project, and with Keras' safe mode."""
    code = """
import json, sys, zipfile
facts = json.load(zipfile.ZipFile(sys.argv[1]).open("classifier.json"))
print(facts["class_names"], facts["temperature"], facts["abstain"]["confidence"], facts["data"])
import keras, tensorflow as tf
model = keras.models.load_model(sys.argv[1], safe_mode=True)
print(model.predict(tf.constant(["a fine film"]), verbose=0).shape)
assert not [m for m in sys.modules if m.split(".")[0] == "search"]
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(model_file)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['negative', 'positive'] 0.3 0.6 data/sample_reviews.csv",
        "(1, 1)",
    ]


@pytest.mark.parametrize("values", [{}, {"layers": 3}, {"vocabulary_size": 50, "pooling": "last"}])
def test_weights_and_vocabulary_are_those_of_keras(tmp_path, values):
    path = exported(tmp_path / "m.keras", classes=4, **values)
    file, model = ModelFile(path), keras.models.load_model(path)
    for mine, theirs in zip(file.weights(), model.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)
    assert list(file.vocabulary()) == model.get_layer("tokens").get_vocabulary()[2:]


def test_describing_leaves_the_rest_as_it_was(model_file, tmp_path):
    model = keras.models.load_model(model_file)
    model.save(tmp_path / "plain.keras")
    before = members(tmp_path / "plain.keras")
    with pytest.raises(ModelError, match=r"no classifier\.json in it.*Keras has saved it anew"):
        ModelFile(tmp_path / "plain.keras")
    describe(tmp_path / "plain.keras", json.loads(members(model_file)[DESCRIPTION]))
    after = members(tmp_path / "plain.keras")
    assert after.pop(DESCRIPTION) and after == before
    ModelFile(tmp_path / "plain.keras")
    assert [p.name for p in tmp_path.iterdir()] == ["plain.keras"]


def test_missing_and_foreign(tmp_path):
    for content, message in (
        (None, "cannot be read: no such file.*--results DIR"),
        (b"", "not a .keras file"),
        (b"\x80\x04\x95pickle", "not a .keras file"),
    ):
        if content is not None:
            (tmp_path / "m.keras").write_bytes(content)
        with pytest.raises(ModelError, match=message):
            ModelFile(tmp_path / "m.keras")
    with pytest.raises(ModelError, match="cannot be read: it is a folder"):
        ModelFile(tmp_path)
    written(tmp_path / "m.keras", {"hello.txt": b"a zip of somebody else"})
    with pytest.raises(ModelError, match=r"no classifier\.json"):
        ModelFile(tmp_path / "m.keras")


def test_every_cut_is_seen(model_file, tmp_path):
    content = model_file.read_bytes()
    for end in np.linspace(0, len(content) - 1, 60).astype(int):
        (tmp_path / "m.keras").write_bytes(content[:end])
        with pytest.raises(ModelError):
            ModelFile(tmp_path / "m.keras")


def test_changed_bytes_are_seen(model_file, tmp_path):
    """Wherever one is in weights or layers: by the zip's checksum."""
    content = bytearray(model_file.read_bytes())
    with zipfile.ZipFile(model_file) as archive:
        places = [i.header_offset + 100 for i in archive.infolist() if i.file_size > 1000]
    for place in places:
        changed = content.copy()
        changed[place + 500] ^= 1
        (tmp_path / "m.keras").write_bytes(changed)
        with pytest.raises(ModelError, match=r"damaged|part of one"):
            ModelFile(tmp_path / "m.keras")


def test_exchanged_members_are_seen(model_file, tmp_path):
    """By the hashes: weights of another model of the same shape, with checksums that fit."""
    parts = members(model_file)
    content = io.BytesIO(parts[WEIGHTS])
    with h5py.File(content, "r+") as file:
        file["layers/dense/vars/1"][0] += 1
    path = written(tmp_path / "m.keras", {**parts, WEIGHTS: content.getvalue()}, hashes=False)
    with pytest.raises(ModelError, match=r"model\.weights\.h5 is not the one that was exported"):
        ModelFile(path)


def test_exchanged_class_names_are_seen(model_file, tmp_path):
    """The description is bound to the weights: a member that is right by itself is not enough."""
    parts = members(model_file)
    facts = json.loads(parts[DESCRIPTION])
    facts["class_names"].reverse()
    parts[DESCRIPTION] = json.dumps(facts).encode()
    path = written(tmp_path / "m.keras", parts, hashes=False)
    with pytest.raises(ModelError, match=r"classifier\.json is not the one that was exported"):
        ModelFile(path)


def test_best_model_json_has_the_last_word(model_file, tmp_path):
    path, facts = tmp_path / "best_model.keras", tmp_path / "best_model.json"
    path.write_bytes(model_file.read_bytes())
    ModelFile(path)  # taken elsewhere without its facts, it is as good
    for text, message in (
        (json.dumps({"sha256": "0" * 64}), "SHA-256 is not the one in best_model.json"),
        ("{}", r"best_model\.json: cannot be read"),
        ("{", r"best_model\.json: cannot be read"),
    ):
        facts.write_text(text)
        with pytest.raises(ModelError, match=message):
            ModelFile(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.pop("class_names"), "class_names: Field required"),
        (lambda facts: facts.update(class_names=["one"]), "class_names"),
        (lambda facts: facts.update(network="other"), "network"),
        (lambda facts: facts.update(abstain={"confidence": 7}), r"abstain\.confidence"),
        (lambda facts: facts["hyperparameters"].update(layers=2), "bidirectional_1|fewer numbers"),
        (
            lambda facts: facts["hyperparameters"].update(layers="two"),
            "layers: expected 1 to 4, found 'two'",
        ),
        (lambda facts: facts["hyperparameters"].update(layers=10**9), "layers: expected 1 to 4"),
        (lambda facts: facts["hyperparameters"].update(lstm_units=-1), "lstm_units: expected 1"),
        (lambda facts: facts.update(temperature=float("inf")), "temperature"),
        (lambda facts: facts.update(vocabulary_size=9), "not an array of shape"),
    ],
)
def test_descriptions_that_do_not_fit(model_file, tmp_path, change, message):
    parts = members(model_file)
    facts = json.loads(parts[DESCRIPTION])
    change(facts)
    path = written(tmp_path / "m.keras", {**parts, DESCRIPTION: json.dumps(facts).encode()})
    with pytest.raises(ModelError, match=message):
        ModelFile(path).weights()


def test_no_other_file_is_read_through_links(model_file, tmp_path):
    """HDF5 can point at a file elsewhere: what stands there is no weight."""
    parts = members(model_file)
    content = io.BytesIO(parts[WEIGHTS])
    with h5py.File(content, "r+") as file:
        shape = file["layers/dense/vars/0"].shape
        with h5py.File(tmp_path / "secret.h5", "w") as secret:
            secret["numbers"] = np.ones(shape, np.float32)
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "numbers")
    path = written(tmp_path / "m.keras", {**parts, WEIGHTS: content.getvalue()})
    with pytest.raises(ModelError, match="dense/vars/0 is not in it"):
        ModelFile(path).weights()


def test_foreign_code_is_refused_before_keras_sees_it(model_file, tmp_path):
    text = keras.Input((), dtype="string", name="text")
    ids = keras.layers.TextVectorization(vocabulary=["a"], name="tokens")(text)
    x = keras.layers.Lambda(lambda x: tf.cast(x[:, :1], "float32"), output_shape=(1,))(ids)
    keras.Model(text, x).save(tmp_path / "m.keras")
    describe(tmp_path / "m.keras", json.loads(members(model_file)[DESCRIPTION]))
    with pytest.raises(ModelError, match=r"keras\.layers\.Lambda.*foreign code"):
        ModelFile(tmp_path / "m.keras").refuse_foreign_code()
    parts = members(model_file)
    config = parts[CONFIG].replace(b'"module": "keras.layers"', b'"module": "os.path"', 1)
    path = written(tmp_path / "m.keras", {**parts, CONFIG: config})
    with pytest.raises(ModelError, match=r"os\.path\.InputLayer"):
        ModelFile(path).refuse_foreign_code()
    ModelFile(model_file).refuse_foreign_code()
