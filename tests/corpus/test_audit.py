"""What the audit of the data must say, and when it must be silent."""

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest

from search.corpus.audit import audit
from search.corpus.duplicates import near_duplicates
from search.corpus.labels import Reviews
from search.corpus.load import encode_splits
from search.corpus.overlaps import leaking_rows
from search.corpus.reading import read_splits
from search.settings import Settings
from tests.conftest import SAMPLE, run_here


def reviews(texts, labels, names=("bad", "good"), first_row=1):
    return Reviews(
        texts=np.array(texts, dtype=object),
        labels=np.array(labels, dtype=np.int32),
        class_names=names,
        where=np.arange(first_row, first_row + len(texts)).astype(object),
        dropped=0,
    )


def sentences(n, seed=0, length=12):
    """Texts of words that occur about equally often, none like another."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(3000)]
    return [" ".join(rng.choices(words, k=length)) for _ in range(n)]


def three(train, validation, test, labels=lambda n: [i % 2 for i in range(n)]):
    texts = {"train": train, "validation": validation, "test": test}
    return {name: reviews(part, labels(len(part))) for name, part in texts.items()}


@pytest.fixture(scope="module")
def sentiment():
    return read_splits(Settings(data="rotten-tomatoes"))


def test_real_reviews_that_were_split_are_clean(sentiment):
    found = audit(sentiment)
    assert not any("LEAK" in line for line in found.lines())
    assert found.shortcuts == () and found.conflicts == 0 and found.templated == 0
    assert all(o.rows == 0 for o in found.overlaps if o.first != o.second)
    assert {name: len(rows) for name, rows in leaking_rows(sentiment).items()} == {
        "train": 0,
        "validation": 0,
    }
    assert len(found.lines()) <= 12
    assert 0.88 < found.known["test"]["10000"] < found.known["test"]["all"] < 0.95


def test_a_leak_comes_first_and_says_what_to_do():
    train, validation, test = sentences(200), sentences(40, 1), sentences(50, 2)
    train[7] = test[3].upper()  # equal but for case
    train[11] = test[4] + " indeed"
    train[12] = "indeed " + test[4]
    train[20] = validation[0].replace(" ", ", ")
    validation[5] = test[9]
    splits = three(train, validation, test)
    found = audit(splits)
    first, second, third, *others = found.lines()
    assert first.startswith("LEAK: 2.5% of validation (1 row) is near-duplicate of train (1 row, 0")
    assert second.startswith("LEAK: 4.0% of test (2 rows) is near-duplicate of train (3 rows, 1 of")
    assert "--remove-leaks" in second
    assert f"train row 8 and test row 4: {train[7][:80]!r}" in second
    assert third.startswith("LEAK: 2.0% of test (1 row) is near-duplicate of validation (1 row, 1")
    assert not any("LEAK" in line or "splits: none" in line for line in others)
    overlap = next(o for o in found.overlaps if (o.first, o.second) == ("train", "test"))
    assert [(e.first_row, e.second_row) for e in overlap.examples] == [(8, 4), (12, 5), (13, 5)]
    rows = leaking_rows(splits)
    assert rows["train"].tolist() == [7, 11, 12, 20] and rows["validation"].tolist() == [5]


def test_nothing_leaks_when_the_leaking_rows_are_removed(sentiment):
    rng = random.Random(0)
    test = sentiment["test"]
    copied = rng.sample(range(len(test.texts)), 60)
    train = sentiment["train"]
    splits = {
        **sentiment,
        "train": reviews(
            [*train.texts, *(f"{test.texts[row]} I think" for row in copied)],
            [*train.labels, *test.labels[copied]],
            train.class_names,
        ),
    }
    rows = leaking_rows(splits)["train"]
    planted = rows >= len(train.texts)
    assert planted.sum() > 0.9 * 60 and (~planted).sum() <= 2
    kept = np.delete(np.arange(len(splits["train"].texts)), rows)
    splits["train"] = reviews(
        splits["train"].texts[kept], splits["train"].labels[kept], train.class_names
    )
    assert len(leaking_rows(splits)["train"]) == 0


def test_a_leak_between_files_is_seen_through_the_reader(tmp_path):
    train, test = sentences(100), sentences(30, 2)
    for name, texts in (("train", [*train, test[0] + "!"]), ("test", test)):
        lines = [f'"{text}",{i % 2}' for i, text in enumerate(texts)]
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    settings = Settings(data=str(tmp_path / "train.csv"), test=tmp_path / "test.csv")
    splits = read_splits(settings)
    held = [name for name in ("train", "validation") if test[0] + "!" in splits[name].texts]
    assert [len(leaking_rows(splits)[name]) for name in held] == [1]
    assert audit(splits).lines()[0].startswith("LEAK: 3.3% of test (1 row) is near-duplicate of")


def test_what_is_known_already_gives_the_same(sentiment):
    settings = Settings(data="rotten-tomatoes")
    unlabelled = np.array([f"{text} again" for text in sentiment["test"].texts], dtype=object)
    corpus = encode_splits(settings, sentiment, unlabelled)
    texts = np.concatenate([part.texts for part in sentiment.values()])
    ends = np.cumsum([len(part.texts) for part in sentiment.values()])[:-1]
    groups = np.split(near_duplicates(texts), ends)
    known = {
        name: replace(part, groups=own)
        for (name, part), own in zip(sentiment.items(), groups, strict=True)
    }
    assert audit(known, corpus) == audit(sentiment)


def test_repeated_rows_are_counted_and_shown():
    train = sentences(50)
    train[10] = train[11] = train[2]
    train[30] = train[4] + " more"
    within = audit(three(train, sentences(20, 1), sentences(20, 2))).overlaps[3]
    assert (within.first, within.second, within.rows, within.equal) == ("train", "train", 3, 2)
    assert [(e.first_row, e.second_row) for e in within.examples] == [(11, 3), (12, 3), (31, 5)]


def test_the_same_text_with_two_labels():
    train, test = sentences(50), sentences(20, 2)
    train[3] = train[8].upper()  # rows of class 1 and 0
    test[1] = train[20]  # 1 and 0
    test[4] = train[30]  # 0 and 0
    found = audit(three(train, sentences(20, 1), test))
    assert found.conflicts == 4
    assert [(e.first_row, e.second, e.second_row) for e in found.conflict_examples] == [
        (4, "train", 9),
        (21, "test", 2),
    ]
    assert any(
        "4 rows have a text that is also there with another label" in x for x in found.lines()
    )


def test_a_token_that_gives_the_class_away():
    rng = random.Random(5)
    texts, labels = sentences(600), [i % 3 for i in range(600)]
    for i, label in enumerate(labels):
        texts[i] += " Great" if rng.random() < (0.3, 0.3, 0.6)[label] else ""  # sentiment
        texts[i] += " brief" if label == 2 and rng.random() < 0.1 else ""  # pure, but rare
        texts[i] += " Export7! EXPORT7" if label == 1 and rng.random() < 0.4 else ""
        texts[i] = "!!!" if label == 2 and rng.random() < 0.3 else texts[i]  # no token at all
    texts[0] += " export7"  # of another class
    splits = {"train": reviews(texts, labels, ("a", "b", "c"))}
    [shortcut] = audit(splits).shortcuts
    assert (shortcut.token, shortcut.class_name) == ("export7", "b")
    assert 0.3 < shortcut.class_share < 0.5 and 0.98 < shortcut.purity < 1
    line = next(line for line in audit(splits).lines() if "give a class away" in line)
    assert "'export7' (in 4" in line or "'export7' (in 3" in line


def test_tokens_that_are_pure_by_chance_are_no_shortcuts():
    # In a class with 97% of the rows most tokens stand in that class alone.
    rng = random.Random(0)
    texts = [" ".join(rng.choices([f"w{i}" for i in range(60)], k=20)) for _ in range(1000)]
    assert audit({"train": reviews(texts, [i % 33 == 0 for i in range(1000)])}).shortcuts == ()
    # In four rows of ten texts each token is in one class.
    few = {"train": reviews(sentences(20, 0, 40), [i % 2 for i in range(20)])}
    assert audit(few).shortcuts == ()


def test_lengths_and_what_is_cut():
    texts = ["w " * n for n in (*range(1, 100), 300)]
    splits = {"train": reviews(texts, [i % 2 for i in range(100)])}
    found = audit(splits)
    assert found.lengths["train"] == {"50": 50, "90": 90, "95": 95, "99": 99, "100": 300}
    assert found.cut["train"]["100"] == {"texts": 0.01, "tokens": pytest.approx(200 / 5250)}
    assert found.cut["train"]["400"] == {"texts": 0, "tokens": 0}
    assert "max_length 100 cuts 1.0% of texts, 3.8% of tokens; 200 cuts" in "\n".join(found.lines())


def test_known_tokens_are_those_of_train_by_frequency():
    train = [f"frequent t{i} t{i + 1}" for i in range(12_000)]
    splits = three(train, ["frequent t5 never", "frequent"], ["never seen", "anywhere"])
    known = audit(splits).known
    assert known["test"] == {"10000": 0, "30000": 0, "all": 0}
    assert known["validation"]["all"] == known["validation"]["30000"] == 3 / 4
    assert known["train"]["10000"] < known["train"]["30000"] == 1


@pytest.mark.parametrize(
    ("rows", "warned"),
    [((50, 50), False), ((60, 40), False), ((80, 20), True), ((30, 30, 40), False)],
)
def test_classes_out_of_balance(rows, warned):
    labels = np.repeat(np.arange(len(rows)), rows)
    names = tuple("xyz"[: len(rows)])
    splits = {
        "train": reviews(sentences(100), labels, names),
        "test": reviews(sentences(10, 1), [0] * 7 + [1] * 3, names),
    }
    found = audit(splits)
    assert found.guess["train"] == max(rows) / 100
    lines = [line for line in found.lines() if line.startswith("UNBALANCED")]
    assert bool(lines) == warned
    if warned:
        assert lines == [
            "UNBALANCED: always guessing 'x' has an accuracy of 80.0% on train, 70.0% on test, "
            "and a balanced accuracy of 50.0%; think of --objective val_balanced_accuracy, val_auc "
            "or val_f1 (of 'y' alone with --positive y), and of --class-weight balanced"
        ]


def test_texts_of_one_template_are_told_and_are_no_leak():
    texts = [f"the order {i} came late and the box was open" for i in range(300)]
    found = audit(three(texts[:200], texts[200:250], texts[250:]))
    assert found.templated == 300
    assert found.lines()[0].startswith("300 rows follow templates of so many rows")
    assert not any("LEAK" in line for line in found.lines())


def test_everything_at_once_takes_twelve_lines_and_is_json():
    template = [f"the order {i} came late and the box was open" for i in range(60)]
    train = [f"{text} export7" for text in sentences(90, 3, 150)] + sentences(30) + template
    labels = [1] * 90 + [0] * 30 + [1] * 60
    validation, test = sentences(20, 1), sentences(20, 2)
    validation[0], test[0], test[1] = train[100], train[101], validation[1]
    splits = {
        "train": reviews(train, labels),
        "validation": reviews(validation, [1] * 20),
        "test": reviews(test, [1] * 20),
    }
    found = audit(splits)
    lines = found.lines()
    assert len(lines) == 12 and [line[:5] for line in lines[:4]].count("LEAK:") == 3
    assert all("\n" not in line for line in lines)
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["overlaps"][0]["examples"][0]["text"] == train[100][:80]
    assert plain["classes"]["train"] == {"bad": 30, "good": 150}


def test_scripts_without_spaces_and_many_classes():
    names = tuple(f"c{i}" for i in range(8))
    texts = ["这部电影的节奏很慢", "演员的表演非常动人", "我会推荐给所有朋友", "故事十分无聊"] * 20
    found = audit({"train": reviews(texts, [i % 8 for i in range(80)], names)})
    assert found.lengths["train"]["100"] == 9
    assert any(line.endswith("…)") for line in found.lines())


def test_the_audit_of_other_data_leaves_a_run_alone(sample_run, tmp_path):
    results = shutil.copytree(sample_run[0], tmp_path / "results")
    before = (results / "audit.json").read_bytes()
    other = tmp_path / "other.csv"
    rows = [f"film {i} q{i * 7},{i % 2}" for i in range(60)]
    other.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    base = ("search.run", "--audit-only", "--results", results, "--data")
    done = run_here(*base, other)
    assert done.returncode == 0 and done.stdout
    assert "holds a run on other data, so audit.json is not written" in done.stderr
    assert (results / "audit.json").read_bytes() == before
    assert run_here(*base, SAMPLE, "--seed", 7).returncode == 0


HAN = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能"


def chinese(n, seed=0):
    rng = random.Random(seed)
    return ["".join(rng.choices(HAN, k=12)) for _ in range(n)]


def test_scripts_are_told_where_there_are_several():
    mixed = [a + " " + b for a, b in zip(sentences(200, length=36), chinese(200), strict=True)]
    found = audit(three(mixed[:160], mixed[160:180], mixed[180:]))
    assert found.scripts["train"]["Latin"]["share"] == pytest.approx(0.75)
    assert found.scripts["test"]["Han"] == {"share": pytest.approx(0.25), "unknown": 0}
    share = 1 - found.known["test"]["all"]
    assert found.scripts["test"]["Latin"]["unknown"] == pytest.approx(share / 0.75)
    lines = "\n".join(found.lines())
    said = "scripts of tokens: train Latin 75.0%, Han 25.0%; validation Latin 75.0%, Han 25.0%; "
    assert said in lines and "unknown tokens: validation Latin " in lines
    assert "DIFFERENT" not in lines, "words that nobody knows are as many as in train's own texts"
    plain = audit(three(sentences(200), sentences(40, 1), sentences(50, 2)))
    assert not any("script" in line for line in plain.lines())


def test_sides_that_are_unlike_train_are_told():
    train, validation = sentences(2000), sentences(40, 1)
    said = "\n".join(audit(three(train, validation, chinese(40))).lines())
    assert "DIFFERENT: test is written in other scripts than train: Han is 100.0% of its" in said
    assert "DIFFERENT: 100.0% of the tokens of test do not occur in train; of texts like" in said
    assert "of validation do not" not in said
    other = [text.replace("w", "v") for text in sentences(40, 3)]
    said = "\n".join(audit(three(train, validation, other)).lines())
    assert "tokens of test do not occur" in said and "other scripts" not in said


def test_copies_do_not_make_other_texts_seem_unlike():
    """Words that occur once are told by what is there twice, too."""
    texts = sentences(300)
    found = audit(three(texts[:200] * 3, texts[200:250], texts[250:]))
    assert 0.4 < found.expected < 0.5
    assert not any("DIFFERENT" in line for line in found.lines())


def test_the_scripts_of_large_sides_are_those_of_all_their_rows():
    sorted_by_language = sentences(6000) + chinese(6000)
    found = audit(three(sorted_by_language, sentences(40, 1), chinese(40)))
    assert found.scripts["train"]["Han"]["share"] == pytest.approx(0.5, abs=0.001)
