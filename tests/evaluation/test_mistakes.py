"""Mistakes and weak slices: what is planted is found, what is even is not."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from search.corpus.batches import InputConfig
from search.corpus.encode import encode, learn_vocabulary
from search.corpus.store import Corpus, Split
from search.evaluation.mistakes import mistakes, slice_lines, slices
from search.evaluation.statistics import wilson_interval
from search.tuning.objective import by_class

FILLERS = ("the", "and", "of", "to", "film", "plot", "cast", "story", "ending", "music")
NO_FOLDS = np.empty(0, np.int8)
EVERYTHING = InputConfig(1000, 100)


def corpus_of(texts, labels, names, train=None, train_labels=None):
    """A corpus with these validation rows, numbered from 1000; trained on the same by default."""
    texts = np.array(texts, dtype=object)
    train = texts if train is None else np.array(train, dtype=object)
    train_labels = labels if train_labels is None else train_labels
    vocabulary, [known] = learn_vocabulary(train)
    ids, offsets = encode(texts, vocabulary)
    splits = [
        Split(*known, np.array(train_labels, np.int32), np.arange(len(train))),
        Split(ids, offsets, np.array(labels, np.int32), 1000 + np.arange(len(texts))),
    ]
    corpus = Corpus(*splits, splits[1], splits[1], tuple(names), vocabulary, NO_FOLDS, "", {})
    return corpus, texts


def reviews(generator, count):
    """English-looking texts of 4 to 15 words."""
    return [" ".join(generator.choice(FILLERS, generator.integers(4, 16))) for _ in range(count)]


def outputs_for(labels, right, classes, confidence=0.8):
    """Probabilities with this confidence in the label where right, else in the next class."""
    labels = np.asarray(labels)
    chosen = np.where(right, labels, (labels + 1) % classes)
    p = np.full((len(labels), classes), (1 - confidence) / (classes - 1), np.float32)
    p[np.arange(len(labels)), chosen] = confidence
    return p[:, 1:] if classes == 2 else p


@pytest.mark.parametrize("classes", [2, 3])
def test_planted_mislabels_come_first(classes):
    generator = np.random.default_rng(classes)
    texts = reviews(generator, 200)
    truth = generator.integers(0, classes, 200)
    labels = truth.copy()
    planted = generator.choice(200, 12, replace=False)
    labels[planted] = (truth[planted] + 1) % classes
    # The network is wrong by itself on other rows; both models are sure of every row.
    slips = np.setdiff1d(generator.choice(200, 30, replace=False), planted)
    right = ~np.isin(np.arange(200), slips)
    mine = outputs_for(truth, right, classes, 0.95)
    baseline = outputs_for(truth, np.ones(200, bool), classes, 0.92)
    names = ("bad", "good", "mixed")[:classes]
    corpus, texts = corpus_of(texts, labels, names)
    table = mistakes(corpus, EVERYTHING, texts, mine, baseline)
    assert set(table["row"]) == {1000 + row for row in (*planted, *slips)}
    first = table.head(len(planted))
    assert first["likely_mislabelled"].all() and not table["likely_mislabelled"][12:].any()
    assert set(first["row"]) == set(1000 + planted)
    for row in table.to_dict("records"):
        number = row["row"] - 1000
        assert row["text"] == texts[number]
        assert row["label"] == names[labels[number]] != row["predicted"]
        assert row["baseline_agrees"] == (row["baseline_predicted"] == row["predicted"])


def test_probabilities_and_losses():
    corpus, texts = corpus_of(["a b", "c d e", "f"], [0, 1, 1], ("no", "yes"))
    network = np.array([[0.6], [0.25], [0.0]], np.float32)
    baseline = np.array([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95]])  # as scikit-learn has them
    table = mistakes(corpus, EVERYTHING, texts, network, baseline)
    assert table["row"].tolist() == [1002, 1001, 1000]
    assert table["loss"].tolist() == pytest.approx([-np.log(1e-7), np.log(4), -np.log(0.4)])
    assert table["probability"].tolist() == pytest.approx([1, 0.75, 0.6])
    assert table["baseline_probability"].tolist() == pytest.approx([0.05, 0.8, 0.1])
    assert table["baseline_agrees"].tolist() == [False, True, False]
    assert not table["likely_mislabelled"].any()


def test_no_mistakes():
    corpus, texts = corpus_of(["a b", "c d e"], [0, 1], ("no", "yes"))
    table = mistakes(corpus, EVERYTHING, texts, np.array([[0.1], [0.9]]), np.array([[0.1], [0.9]]))
    assert len(table) == 0 and "slices" in table.columns


def test_slices_add_up():
    generator = np.random.default_rng(0)
    texts = [
        text + generator.choice(["", "", " xyzzy", " never"]) for text in reviews(generator, 301)
    ]
    labels = generator.choice(4, 301, p=[0.6, 0.3, 0.06, 0.04])
    corpus, texts = corpus_of(texts, labels, "abcd", reviews(generator, 300), labels[:300])
    network = outputs_for(labels, generator.random(301) < 0.7, 4)
    table = slices(corpus, EVERYTHING, texts, network).set_index("slice")
    right = by_class(network).argmax(axis=1) == labels
    for kind, count in (("texts of", 4), ("unknown words", 3), ("class ", 4)):
        part = table[table.index.str.contains(kind)]
        assert len(part) == count
        assert part["rows"].sum() == 301
        assert (part["rows"] * part["accuracy"]).sum() == pytest.approx(right.sum())
    assert table.loc["rare classes", "rows"] == (labels >= 2).sum()
    assert table.loc["negation", "rows"] == sum("never" in text for text in texts)
    assert table.loc["no unknown words", "rows"] == sum(
        "xyzzy" not in text and "never" not in text for text in texts
    )
    for row in table.itertuples():
        hits = row.accuracy * row.rows
        assert (row.low, row.high) == wilson_interval(hits, row.rows)
        rest = (right.sum() - hits) / (301 - row.rows)
        assert row.rest_accuracy == pytest.approx(rest)
    errors = mistakes(corpus, EVERYTHING, texts, network, network)
    for name in table.index:
        wrong = round(table.loc[name, "rows"] * (1 - table.loc[name, "accuracy"]))
        assert errors["slices"].str.split(";").map(lambda names, n=name: n in names).sum() == wrong


def test_a_weak_slice_is_found_and_said():
    generator = np.random.default_rng(0)
    texts = reviews(generator, 800)
    denied = generator.random(800) < 0.25
    texts = [f"{t} isn’t it" if d else f"{t} is it" for t, d in zip(texts, denied, strict=True)]
    labels = generator.integers(0, 2, 800)
    right = generator.random(800) < np.where(denied, 0.6, 0.9)
    corpus, texts = corpus_of(texts, labels, ("bad", "good"))
    table = slices(corpus, EVERYTHING, texts, outputs_for(labels, right, 2))
    assert table.loc[table["below_rest"], "slice"].tolist() == ["negation"]
    [line] = slice_lines(table)
    share, rest = right[denied].mean(), right[~denied].mean()
    assert line == (
        f"weak on negation: accuracy {share:.4f} on {denied.sum()} rows, {rest:.4f} on the others"
    )


def test_chance_is_seldom_taken_for_weakness():
    """In at most 5% of the runs is any slice of an even network called weak."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400)
    corpus, texts = corpus_of(reviews(generator, 400), labels, ("bad", "good"))
    found = [
        slices(corpus, EVERYTHING, texts, outputs_for(labels, generator.random(400) < 0.8, 2))
        for _ in range(200)
    ]
    assert np.mean([table["below_rest"].any() for table in found]) <= 0.05


def test_p_values_are_fishers_after_holm():
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 90)
    corpus, texts = corpus_of(reviews(generator, 90), labels, "abc")
    right = generator.random(90) < np.array([0.9, 0.7, 0.6])[labels]
    table = slices(corpus, EVERYTHING, texts, outputs_for(labels, right, 3))
    chances = []
    for row in table.itertuples():
        hits, others = round(row.accuracy * row.rows), round(row.rest_accuracy * (90 - row.rows))
        counts = [[hits, row.rows - hits], [others, 90 - row.rows - others]]
        chances.append(fisher_exact(counts, alternative="less").pvalue)
    largest = 0.0
    for step, index in enumerate(np.argsort(chances)):
        largest = max(largest, min(1, (len(chances) - step) * chances[index]))
        assert table["p_value"][index] == pytest.approx(largest)


def test_at_most_three_and_the_costly_ones_first():
    generator = np.random.default_rng(0)
    labels = generator.choice(6, 6000, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    corpus, texts = corpus_of(reviews(generator, 6000), labels, "abcdef")
    right = generator.random(6000) < np.array([0.95, 0.7, 0.76, 0.6, 0.7, 0.95])[labels]
    lines = slice_lines(slices(corpus, EVERYTHING, texts, outputs_for(labels, right, 6)))
    assert [line.split(":")[0] for line in lines] == [f"weak on class {c}" for c in "bdc"]


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("not bad", True), ("it ISN'T", True), ("didn’t", True), ("wont work", True),
        ("No.", True), ("cannot", True), ("brilliant want", False), ("notable northern", False),
        ("knot", False), ("important content", False),
    ],
)  # fmt: skip
def test_negation(text, negated):
    other = "nothing" if not negated else "something"
    texts = [f"{text} the and of to", f"{other} the and of to"]
    corpus, texts = corpus_of(texts, [0, 1], ("bad", "good"))
    errors = mistakes(corpus, EVERYTHING, texts, np.array([[0.9], [0.1]]), np.array([[0.5], [0.5]]))
    found = errors.set_index("row")["slices"].str.contains("negation")
    assert found[1000] == negated and found[1001] != negated


def test_negation_is_for_english():
    texts = ["das ist no und nicht gut", "der Film und to the of", "ein Film"]
    corpus, texts = corpus_of(texts, [0, 1, 1], ("schlecht", "gut"))
    assert (
        "negation" not in slices(corpus, EVERYTHING, texts, np.full((3, 1), 0.6))["slice"].tolist()
    )


def test_scripts_without_spaces():
    texts = ["とても良い映画でした", "つまらない", "音楽が良かった。また見たい", "退屈な話"] * 5
    corpus, texts = corpus_of(texts, [1, 0, 1, 0] * 5, ("悪い", "良い"), texts[:2], [1, 0])
    names = slices(corpus, EVERYTHING, texts, np.full((20, 1), 0.6))["slice"].tolist()
    assert "texts of 4 words" in names and "class 良い" in names
    assert "negation" not in names
    assert sum("unknown words" in name for name in names) == 3


def test_words_beyond_the_networks_vocabulary_are_unknown():
    texts = ["film film film plot", "film film", "film plot plot"]
    corpus, texts = corpus_of(texts, [0, 1, 1], ("bad", "good"))
    network = np.full((3, 1), 0.6)
    few = slices(corpus, InputConfig(3, 100), texts, network).set_index("slice")
    assert few.loc["no unknown words", "rows"] == 1
    everything = slices(corpus, EVERYTHING, texts, network)
    assert not everything["slice"].str.contains("unknown").any(), "all rows are in one"


def test_class_names_do_not_break_the_list():
    corpus, texts = corpus_of(["a", "b"], [0, 1], ("so; so", "good"))
    table = mistakes(corpus, EVERYTHING, texts, np.array([[0.9], [0.9]]), np.array([[0.9], [0.9]]))
    assert table["slices"].tolist() == ["class so, so"]
