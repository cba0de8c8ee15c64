"""The gate: a file passes if, in its own runtime, it says what it should, and not otherwise."""

import os
import re
import signal
import threading
import time
import unicodedata
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.errors import ParityError, SearchError
from search.evaluation.calibration import tempered
from search.network.build import build
from search.network.space import Configuration
from search.packaging import parity
from search.packaging.classifier import load_classifier
from search.packaging.parity import HARD, LONG, check_parity, hard_texts, started
from search.packaging.text_model import save_model, text_model
from tests.compiled.test_network import pair
from tests.conftest import exported
from tests.packaging.test_text_model import VOCABULARY, shape_of

TEXTS = hard_texts(("warm", "film", "dull"), 96)  # whole batches: Keras traces one model once


def test_hard_texts_are_many_different_and_the_same_every_time():
    texts = hard_texts(("warm", "film"), 300)
    assert len(texts) == 300 and len(set(texts)) > 270
    assert texts == hard_texts(("warm", "film"), 300)
    assert {*HARD, *LONG} <= set(texts) and texts[-len(LONG) :] == list(LONG)
    "".join(texts).encode()  # no half surrogates, which TensorFlow does not take
    assert not any("\0" in text for text in texts)
    assert hard_texts((), 60)[: len(HARD)] == list(HARD)


def test_hard_texts_are_of_many_scripts():
    names = {unicodedata.name(c, "").split()[0] for text in HARD for c in text if c.isalpha()}
    scripts = {"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "KHMER"}
    assert scripts | {"CJK", "HIRAGANA", "HANGUL", "ARMENIAN", "ETHIOPIC", "GEORGIAN"} <= names


@pytest.mark.parametrize(
    ("temperature", "spread"),
    [*(pytest.param(t, 1, marks=pytest.mark.slow) for t in (0.4, 2.5)), (2.5, 60)],
)
def test_parity_is_of_the_tempered(tmp_path, temperature, spread):
    """Also where a network is so sure that its probabilities come close to 0 and 1."""
    shape = shape_of()
    input_config = shape.input_config(Configuration())
    network, _ = pair(Configuration(embedding_dim=8, lstm_units=6), shape)
    last = network.get_layer("probability")
    last.set_weights([spread * weight for weight in last.get_weights()])
    plain = text_model([network], VOCABULARY, input_config)
    expected = plain.predict(tf.constant(TEXTS), verbose=0)
    save_model(
        text_model([network], VOCABULARY, input_config, temperature=temperature),
        tmp_path / "model.keras",
    )
    found = check_parity(tmp_path / "model.keras", "keras", TEXTS, expected, temperature, timed=3)
    assert found["texts"] == len(TEXTS)
    assert 0 <= found["parity"] <= 1e-5
    assert 0 < found["median_ms"] <= found["p95_ms"]
    assert found["texts_per_second"] > 0
    with pytest.raises(SearchError, match="differ"):
        check_parity(tmp_path / "model.keras", "keras", TEXTS, expected, 2 * temperature)


def test_one_text_that_differs_is_named(model_file):
    """With both answers."""
    expected = load_classifier(model_file).score(TEXTS)
    expected[7] += 2e-5
    message = (
        f"by 2e-05, for the text {re.escape(repr(TEXTS[7]))}: 0.\\d+ and {expected[7, 0]:.7g};"
    )
    with pytest.raises(ParityError, match=message):
        check_parity(model_file, "keras", TEXTS, expected)


def test_not_a_number_does_not_pass(model_file):
    expected = load_classifier(model_file).score(TEXTS)
    expected[3] = np.nan
    with pytest.raises(SearchError, match="differ"):
        check_parity(model_file, "keras", TEXTS, expected)


def test_a_network_that_sees_padding_does_not_pass(tmp_path):
    """Without mask_zero a text's probability depends on what stands beside it in the batch."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(len(VOCABULARY) + 2, 4)(ids)
    x = keras.layers.GlobalAveragePooling1D()(x)
    network = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(x))
    model = text_model([network], VOCABULARY, shape_of().input_config(Configuration()))
    save_model(model, tmp_path / "model.keras")
    texts = TEXTS[-8:]
    alone = np.concatenate([model.predict(tf.constant([text]), verbose=0) for text in texts])
    with pytest.raises(SearchError, match="padding"):
        check_parity(tmp_path / "model.keras", "keras", texts, alone)


def test_what_only_this_process_knows_does_not_load_there(tmp_path):
    """A layer of somebody's own: registered here, unknown wherever the file will be used."""

    @keras.saving.register_keras_serializable("tests")
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    network = build(Configuration(embedding_dim=8, lstm_units=6), shape_of())
    network = keras.Model(network.inputs, Mine()(network.output))
    model = text_model([network], VOCABULARY, shape_of().input_config(Configuration()))
    save_model(model, tmp_path / "model.keras")
    keras.models.load_model(tmp_path / "model.keras")  # here it does
    expected = model.predict(tf.constant(TEXTS), verbose=0)
    with pytest.raises(SearchError, match=r"running it as keras failed: .*Mine"):
        check_parity(tmp_path / "model.keras", "keras", TEXTS, expected)


def test_a_killed_process_is_replaced(model_file):
    expected = load_classifier(model_file).score(TEXTS)
    os.kill(started()._process.pid, signal.SIGKILL)
    with pytest.raises(SearchError, match="was killed"):
        check_parity(model_file, "keras", TEXTS, expected)
    check_parity(model_file, "keras", TEXTS, expected)


def test_threads_get_their_own_answers(tmp_path):
    told = {}

    def ask(path):
        request = {"do": "run", "format": "keras", "texts": [""], "timed": 1, "seconds": 0}
        with pytest.raises(SearchError) as error:
            started().ask(**request, path=str(path))
        told[path] = str(error.value)

    threads = [
        threading.Thread(target=ask, args=(tmp_path / f"{number}.keras",), daemon=True)
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60  # one that gets another's answer would wait for ever
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    assert len(told) == 20
    assert all(message.count(str(path)) == 2 for path, message in told.items())


def test_it_knows_nothing_of_this_project():
    source = Path(parity.runtimes.__file__).read_text(encoding="utf-8")
    assert not re.search(r"^\s*(from|import) search", source, re.MULTILINE)
    assert "-I" in Path(f"/proc/{started()._process.pid}/cmdline").read_text().split("\0")


def test_it_imports_no_more_than_a_model_needs(model_file):
    """Keras takes a second to import scikit-learn and pandas, where they are."""
    texts = TEXTS[:3]
    check_parity(model_file, "keras", texts, load_classifier(model_file).score(texts))
    mapped = Path(f"/proc/{started()._process.pid}/maps").read_text()
    assert "/tensorflow/" in mapped and not re.search("/(sklearn|pandas)/", mapped)


def test_it_imports_tensorflow_before_it_is_asked():
    process = parity.Runtimes()._process
    maps, end = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    while "/tensorflow/" not in maps.read_text():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.kill()
    process.wait()


def test_a_model_is_traced_once(model_file, monkeypatch):
    """Whatever the number of texts; each time takes a second or more."""
    model = keras.models.load_model(model_file)
    monkeypatch.setattr(keras.models, "load_model", lambda path: model)
    run = parity.runtimes.keras_file(model_file)
    assert [len(run(TEXTS[:count])) for count in (40, 1)] == [40, 1]
    assert model.predict_function.experimental_get_tracing_count() == 1


def test_tempered_both_ways(tmp_path):
    """A model file of three classes, tempered when it was made, against its own untempered one."""
    path = exported(tmp_path / "m.keras", classes=3)
    given = load_classifier(path).score(TEXTS)
    before = tempered(given, 1 / 0.3)
    check_parity(path, "keras", TEXTS, before.astype(np.float32), 0.3)
