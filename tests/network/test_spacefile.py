"""The space as users write it: TOML and --set, and what is wrong with theirs."""

import dataclasses

import pytest

import search
from search.errors import SettingsError
from search.network.space import CORE, FIELDS, Range, wide
from search.network.spacefile import _meanings, chosen_space, read_space, values_of, written
from tests.conftest import SAMPLE


@pytest.fixture(scope="module")
def corpus():
    return search.load_corpus(search.Settings(data=str(SAMPLE)))


def file(tmp_path, content):
    path = tmp_path / "space.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_what_is_printed_can_be_read_back(corpus, tmp_path):
    space = wide(corpus)
    assert read_space(file(tmp_path, written(space))) == space


def test_the_three_forms(tmp_path):
    content = """
    embedding_dim = [16, 32]
    learning_rate = {low = 1e-4, high = 1e-2, log = true}
    lstm_units = {low = 8, high = 64, step = 8}
    dropout = 0
    pooling = ["max", "mean"]
    """
    assert read_space(file(tmp_path, content)) == {
        "embedding_dim": (16, 32),
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "lstm_units": Range(8, 64, step=8),
        "dropout": 0.0,
        "pooling": ("max", "mean"),
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "there is no hyperparameter in it"),
        ("dropout = ", "this is not TOML"),
        ("dropuot = 0.5", "there is no hyperparameter 'dropuot'; there are: embedding_dim, "),
        ("embedding_dim = [16, 'x']", "embedding_dim: expected a whole number, found 'x'"),
        ("embedding_dim = 16.5", "embedding_dim: expected a whole number, found 16.5"),
        ("embedding_dim = true", "embedding_dim: expected a whole number, found True"),
        ("dropout = 1.5", "dropout: expected 0 to 0.95, found 1.5"),
        ("dropout = nan", "dropout: expected a number, found nan"),
        ("dropout = []", "dropout: the list is empty"),
        ("dropout = {low = 0.1}", "dropout: a range needs 'high'"),
        ("dropout = {low = 0.5, high = 0.1}", "low must be less than high, found 0.5 and 0.1"),
        ("dropout = {low = 0.0, high = 0.1, log = true}", "low must be above 0, found 0.0"),
        ("dropout = {low = 0.0, high = 0.1, log = 1}", "log must be true or false, not 1"),
        ("dropout = {low = 0.0, high = 0.1, step = 0.5}", "step must be above 0, at most high"),
        ("dropout = {low = 0.2, high = 0.3, step = 0}", "step must be above 0, at most high"),
        ("dropout = {low = 0.0, high = 0.1, size = 5}", "unknown key 'size' in a range"),
        ("pooling = 'sum'", "pooling: expected one of max, mean, last, found 'sum'"),
        ("pooling = {low = 1, high = 2}", "pooling: expected a name or a list of names"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, told):
    path = file(tmp_path, content)
    with pytest.raises(SettingsError) as error:
        read_space(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)


def test_no_such_file(corpus):
    with pytest.raises(SettingsError, match=r"wdie: no such file, .*\(known: core, wide\)"):
        chosen_space("wdie", (), corpus)


def test_set_changes_the_space(corpus):
    space = chosen_space(
        "core",
        ["dropout=0.25", "embedding_dim=16,48", "learning_rate=1e-4..1e-3", "pooling=mean"],
        corpus,
    )
    assert space["dropout"] == 0.25
    assert space["embedding_dim"] == (16, 48)
    assert space["learning_rate"] == Range(1e-4, 1e-3, log=True), "it stays on its scale"
    assert space["pooling"] == "mean"
    assert space["lstm_units"] == CORE["lstm_units"]


def test_braces_in_quotes_are_several_values_too(corpus):
    space = chosen_space("core", ["batch_size={16,48}", "lstm_units=16,"], corpus)
    assert space["batch_size"] == (16, 48) and space["lstm_units"] == 16


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("dropout", "expected name=value, name=low..high or name=a,b"),
        ("dropout=", "expected name=value"),
        ("dropuot=1", "there is no hyperparameter 'dropuot'"),
        ("dropout=0.1..x", "dropout: expected a number, found 'x'"),
        ("dropout={}", "dropout: expected a number, found ''"),
        ("layers=1.5", "layers: expected a whole number, found 1.5"),
    ],
)
def test_a_wrong_set(corpus, change, told):
    with pytest.raises(SettingsError) as error:
        chosen_space("core", [change], corpus)
    assert told in str(error.value)


def test_values_to_try():
    assert values_of("dropout=0.4, lstm_units=32,pooling=mean") == {
        "dropout": 0.4,
        "lstm_units": 32,
        "pooling": "mean",
    }
    with pytest.raises(SettingsError, match="expected name=value"):
        values_of("dropout")


def test_wide_follows_the_corpus(corpus):
    """A few hundred short texts: small batches, one vocabulary, no long texts to cut."""
    space = wide(corpus)
    assert space["vocabulary_size"] == len(corpus.vocabulary) + 2
    assert space["batch_size"] == (8, 16)
    assert "max_length" not in space
    assert set(space) <= set(FIELDS)


def test_wide_of_long_texts(corpus):
    long = dataclasses.replace(
        corpus,
        train=dataclasses.replace(corpus.train, offsets=corpus.train.offsets * 30),
        vocabulary=tuple(f"w{n}" for n in range(40_000)),
    )
    space = wide(long)
    assert space["max_length"] == (100, 200, 400, 800, 1000)
    assert space["cut"] == ("head", "tail", "both")
    assert space["vocabulary_size"] == (5000, 10_000, 20_000, 30_000, 40_002)


def test_every_hyperparameter_has_a_meaning_in_the_docstring():
    assert set(_meanings()) == set(FIELDS)
