"""Vectors from a file: every text format that people have, and what is wrong in theirs."""

import gzip

import numpy as np
import pytest

import search
from search.corpus.embeddings import read_embeddings
from search.errors import DataError
from tests.conftest import SAMPLE, run_here, settings_of, trials_of


@pytest.fixture(scope="module")
def corpus():
    return search.load_corpus(search.Settings(data=str(SAMPLE)))


def file(tmp_path, text, name="vectors.txt"):
    path = tmp_path / name
    path.write_bytes(text.encode() if name.endswith("txt") else gzip.compress(text.encode()))
    return path


def vector(embeddings, corpus, word):
    return embeddings.vectors[corpus.vocabulary.index(word) + 2].tolist()


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.txt.gz"])
@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_glove_and_word2vec(corpus, tmp_path, header, name):
    text = header + "the 0.5 -1\nzyzzyva 9 9\nfilm 1e-1 2 \n"
    found = read_embeddings(file(tmp_path, text, name), corpus)
    assert vector(found, corpus, "the") == [0.5, -1]
    assert vector(found, corpus, "film") == [np.float32(0.1), 2]
    assert found.tokens == 2 and not found.vectors[:2].any()
    words = np.array(corpus.vocabulary)[corpus.train.ids[corpus.train.ids > 1] - 2]
    assert found.coverage == pytest.approx(np.isin(words, ["the", "film"]).mean())


def test_words_with_capitals_and_spaces(corpus, tmp_path):
    text = "Film 1 1\nfilm 2 2\nFILM 3 3\nThe 4 4\nTHE 5 5\nat example dot com 6 6\n"
    found = read_embeddings(file(tmp_path, text), corpus)
    assert vector(found, corpus, "film") == [2, 2], "as the token is written"
    assert vector(found, corpus, "the") == [4, 4], "or else the first spelling"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("film\n", "line 1: expected a word and its numbers"),
        ("2 2\n\n", "line 2: expected a word and its numbers"),
        ("the 1 2\nfilm 1\n", "line 2: expected a word and 2 numbers as on line 1, found 'film 1'"),
        ("the 1 2\nfilm 1 x\n", "line 2: expected a word and 2 numbers"),
        ("the 1 2\nfilm 1 nan\n", "line 2: expected a word and 2 numbers"),
        ("qqqq 1 2\nzzzz 1 1\n", "none of its words is in the texts"),
    ],
)
def test_what_is_wrong_is_named(corpus, tmp_path, text, told):
    path = file(tmp_path, text)
    with pytest.raises(DataError) as error:
        read_embeddings(path, corpus)
    assert str(error.value).startswith(f"{path}: ") and told in str(error.value)


def test_no_such_file(corpus, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_embeddings(tmp_path / "none.txt", corpus)


def test_a_search_starts_from_them(corpus, tune, tmp_path):
    generator = np.random.default_rng(0)
    lines = [
        f"{word} {' '.join(f'{x:.3f}' for x in generator.standard_normal(10))}"
        for word in corpus.vocabulary[::2]
    ]
    path = file(tmp_path, "\n".join(lines))
    base = ("--data", SAMPLE, "--trials", 1, "--max-epochs", 1, "--finals", 0)
    base, said = (*base, "--results", tmp_path / "r"), []
    tune(settings_of(*base, "--embeddings", path), corpus, progress=said.append)
    assert "vectors of 10 numbers for" in said[0] and "% of the training texts" in said[0]
    table = trials_of(tmp_path / "r")
    assert table[["hp_embedding_dim", "hp_embedding_init"]].iloc[0].tolist() == [10, "file"]
    other = run_here("search.run", *base)
    assert other.returncode == 2 and "embeddings was" in other.stderr
