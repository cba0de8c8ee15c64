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

from search.corpus.tokens import token_hashes
from search.errors import ModelError
from search.packaging.description import DESCRIPTION, SEAL, VOCABULARY, describe, seal
from search.packaging.modelfile import CONFIG, WEIGHTS, ModelFile
from tests.conftest import exported
from tests.packaging.random_models import some_mixture


@pytest.fixture(scope="module")
def mixed_file(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("mixed") / "m.keras", mixed=True)


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


def test_zipfile_reads_it(model_file):
    with zipfile.ZipFile(model_file) as file:
        facts = json.loads(file.read("classifier.json"))
    assert facts["class_names"] == ["negative", "positive"] and facts["temperature"] == 0.3
    assert facts["abstain"]["confidence"] == 0.6 and facts["data"] == "data/sample_reviews.csv"


@pytest.mark.slow
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


@pytest.mark.parametrize("values", [{"layers": 3}, {"vocabulary_size": 50, "pooling": "last"}])
def test_weights_are_those_of_keras(tmp_path, values):
    path = exported(tmp_path / "m.keras", classes=4, **values)
    file, model = ModelFile(path), keras.models.load_model(path)
    (weights,) = file.networks()
    for mine, theirs in zip(weights, model.trainable_weights, strict=True):
        assert np.array_equal(mine, theirs)
    assert file.mixture() is None


@pytest.mark.parametrize("networks", [1, 3])
def test_a_mixture_is_that_of_keras(tmp_path, networks):
    path = exported(tmp_path / "m.keras", classes=4, networks=networks, mixed=True)
    file, model, wanted = ModelFile(path), keras.models.load_model(path), some_mixture(4)
    for number, weights in enumerate(file.networks()):
        whole = model.get_layer(f"network_{number}") if networks > 1 else model
        for mine, theirs in zip(weights, whole.trainable_weights, strict=True):
            assert np.array_equal(mine, theirs)
    assert len(file.networks()) == networks
    mixture = file.mixture()
    assert (mixture.weights, mixture.bias) == (wanted.weights, wanted.bias)
    for mine, given in zip(mixture.models, wanted.models, strict=True):
        assert mine.kind == given.kind
        assert np.array_equal(mine.places, given.places)
        assert np.array_equal(mine.table, given.table)
        assert np.array_equal(mine.intercepts, given.intercepts)


def test_a_mixture_of_an_earlier_version(mixed_file, tmp_path):
    """Its tables have a row for each bucket."""
    parts, wanted = members(mixed_file), ModelFile(mixed_file).mixture()
    tables = {(len(model.table) + 1, 3): model for model in wanted.models}
    content = io.BytesIO(parts[WEIGHTS])
    with h5py.File(content, "a") as file:
        for layer in file["layers"].values():
            held = layer["vars"].get("0")
            if held is not None and held.shape in tables:
                model, last = tables.pop(held.shape), held[-1:]
                del layer["vars"]["0"]
                whole = [model.table[model.places], np.zeros_like(last), last]
                layer["vars"]["0"] = np.concatenate(whole)
    assert not tables
    facts = json.loads(parts[DESCRIPTION])
    for model in facts["mixture"]["models"]:
        del model["rows"]
    changed = {WEIGHTS: content.getvalue(), DESCRIPTION: json.dumps(facts).encode()}
    found = ModelFile(written(tmp_path / "m.keras", {**parts, **changed})).mixture()
    texts = ["a fine film, a fine cast", "dull", "", "so so so long"]
    networks = np.full((4, 1), 0.5)
    assert np.array_equal(
        found.probabilities(networks, texts), wanted.probabilities(networks, texts)
    )


def test_the_vocabulary_is_that_of_keras(model_file, tmp_path):
    """Token i has the id i + 2, in the old files of which Keras has the list, and in the new."""
    old = exported(tmp_path / "m.keras", tokens="whitespace")
    model = keras.models.load_model(old)
    assert list(ModelFile(old).vocabulary()) == model.get_layer("tokens").get_vocabulary()[2:]
    vocabulary = ModelFile(model_file).vocabulary()
    table = keras.models.load_model(model_file).get_layer("vocabulary").get_weights()[0]
    ids = {int(id) for *_, id in table}
    assert ids == {0, *range(2, len(vocabulary) + 2)}
    keys = table[table[:, 3] > 0] @ np.array([1, 1 << 22, 0, 0])
    order = table[table[:, 3] > 0][:, 3].astype(int) - 2
    assert np.array_equal(token_hashes(vocabulary)[order] % (1 << 44), keys.astype(np.int64))


def test_describing_leaves_the_rest_as_it_was(model_file, tmp_path):
    model = keras.models.load_model(model_file)
    model.save(tmp_path / "plain.keras")
    before = members(tmp_path / "plain.keras")
    with pytest.raises(ModelError, match=r"no classifier\.json in it.*Keras has saved it anew"):
        ModelFile(tmp_path / "plain.keras")
    describe(tmp_path / "plain.keras", json.loads(members(model_file)[DESCRIPTION]), None)
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
        (lambda facts: facts["hyperparameters"].update(layers=2), "bilstm2|fewer numbers"),
        (
            lambda facts: facts["hyperparameters"].update(layers="two"),
            "layers: expected 1 to 4, found 'two'",
        ),
        (lambda facts: facts["hyperparameters"].update(layers=10**9), "layers: expected 1 to 4"),
        (lambda facts: facts["hyperparameters"].update(lstm_units=-1), "lstm_units: expected 1"),
        (lambda facts: facts.update(temperature=float("inf")), "temperature"),
        (lambda facts: facts.update(vocabulary_size=9), "not an array of shape"),
        (lambda facts: facts.update(networks=0), "networks"),
        (lambda facts: facts.update(networks=2), "network_0|fewer numbers"),
        (lambda facts: facts.update(networks=101), "networks"),
    ],
)
def test_descriptions_that_do_not_fit(model_file, tmp_path, change, message):
    parts = members(model_file)
    facts = json.loads(parts[DESCRIPTION])
    change(facts)
    path = written(tmp_path / "m.keras", {**parts, DESCRIPTION: json.dumps(facts).encode()})
    with pytest.raises(ModelError, match=message):
        ModelFile(path).networks()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda mixture: mixture["weights"].pop(), "not a weight for each member"),
        (lambda mixture: mixture["bias"].pop(), "not a bias for each class"),
        (lambda mixture: mixture["models"][1].update(buckets=5), "not an array of shape"),
        (lambda mixture: mixture["models"][1].update(buckets=10**7), "fewer numbers"),
        (lambda mixture: mixture["models"][1].update(buckets=10**12), "buckets"),
        (lambda mixture: mixture["models"][1].update(rows=5), "not an array of shape"),
        (lambda mixture: mixture["models"][1].update(rows=0), "rows"),
        (lambda mixture: mixture["models"][1].pop("rows"), "not an array of shape"),
        (lambda mixture: mixture["models"][1].update(kind="pictures"), "kind"),
        (lambda mixture: mixture["models"].append(mixture["models"][0]), "ngrams_2|a weight"),
    ],
)
def test_mixtures_that_do_not_fit(mixed_file, tmp_path, change, message):
    parts = members(mixed_file)
    facts = json.loads(parts[DESCRIPTION])
    change(facts["mixture"])
    path = written(tmp_path / "m.keras", {**parts, DESCRIPTION: json.dumps(facts).encode()})
    with pytest.raises(ModelError, match=message):
        ModelFile(path).mixture()


def test_vocabularies_that_do_not_fit(model_file, tmp_path):
    parts = members(model_file)
    for content in (b"", b"half", parts[VOCABULARY] + b"more\n", b"\xff\n"):
        path = written(tmp_path / "m.keras", {**parts, VOCABULARY: content})
        with pytest.raises(ModelError, match="damaged or changed"):
            ModelFile(path).vocabulary()


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
        ModelFile(path).networks()


def test_foreign_code_is_refused_before_keras_sees_it(model_file, tmp_path):
    text = keras.Input((), dtype="string", name="text")
    ids = keras.layers.TextVectorization(vocabulary=["a"], name="tokens")(text)
    x = keras.layers.Lambda(lambda x: tf.cast(x[:, :1], "float32"), output_shape=(1,))(ids)
    keras.Model(text, x).save(tmp_path / "m.keras")
    describe(tmp_path / "m.keras", json.loads(members(model_file)[DESCRIPTION]), None)
    with pytest.raises(ModelError, match=r"keras\.layers\.Lambda.*foreign code"):
        ModelFile(tmp_path / "m.keras").refuse_foreign_code()
    parts = members(model_file)
    config = parts[CONFIG].replace(b'"module": "keras.layers"', b'"module": "os.path"', 1)
    path = written(tmp_path / "m.keras", {**parts, CONFIG: config})
    with pytest.raises(ModelError, match=r"os\.path\.InputLayer"):
        ModelFile(path).refuse_foreign_code()
    ModelFile(model_file).refuse_foreign_code()
