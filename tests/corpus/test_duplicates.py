"""Near-duplicates: what must be found and what must not, on real reviews and on made-up ones."""

import random
import subprocess
import sys
from hashlib import blake2b
from itertools import chain as chained
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.corpus.duplicates import (
    ALIKE,
    RELATED,
    _hashed,
    near_duplicates,
    words_of,
)
from search.corpus.minhash import BAND, BANDS, NEIGHBOURS, candidates, shingles, signatures
from search.corpus.sources import read
from tests.conftest import ROOT

LONG = (
    "I saw this one late at night and could not stop watching, which is odd for a courtroom drama "
    "of nearly three hours. The judge is played with dry wit, the two lawyers circle each other "
    "like tired boxers, and even the clerk has a moment of her own.<br /><br />What stays is the "
    "silence after the verdict, when nobody in the room knows where to look."
)
CHINESE = "这部电影的节奏很慢但是演员的表演非常动人我会推荐给所有朋友"
THAI = "ภาพยนตร์เรื่องนี้สนุกมากนักแสดงเล่นดีและเพลงประกอบก็ไพเราะ"


def groups(*texts):
    return near_duplicates(np.array(texts, dtype=object)).tolist()


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        ("Well, it's GREAT!", "well its great"),
        ("It’s a fine film, really", "its a fine film really"),
        (
            "a warm and funny film about two old friends",
            "a warm and funny movie about two old friends",
        ),
        (
            "a warm and funny film about two old friends",
            "warm and funny film about two old friends",
        ),
        ("one<br />two<BR>three<br/>four five six", "one two three four five six"),
        ("so-so plot,weak jokes and a lazy end", "so so plot, weak jokes ... and a lazy end!"),
        (LONG, LONG.upper().replace(",", "").replace(".", " !")),
        (
            LONG,
            LONG + " Bring a friend who likes to argue, because you will want to do so after it.",
        ),
        (LONG, "Spoilers ahead. " + LONG.replace("drama", "thriller").replace("dry wit", "wit")),
        (
            "café con leche, ¡qué película más bonita!",
            "CAFE\u0301 CON LECHE: qué película más bonita",
        ),
        ("ﬁne ﬁlm about ﬁve fools and a ｄｏｇ", "fine film about five fools and a dog"),
        (CHINESE, CHINESE.replace("很慢", "太慢")),
        (CHINESE, CHINESE.replace("但是", "，但是") + "。"),
        (THAI, THAI.replace("มาก", "น้อย")),
    ],
)
def test_small_edits_are_seen_through(text, copy):
    assert groups(text, "something else entirely, of no relation", copy) == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("a good film", "a bad film"),
        ("not a good film", "a good film"),
        (":)", ":("),
        ("😀", "😡"),
        ("good 😀", "good 😡"),
        ("", "a"),
        ("很好看", "不好看"),
        (CHINESE, "故事十分无聊我看到一半就睡着了真是浪费时间和金钱"),
        (THAI, "หนังน่าเบื่อมากฉันหลับไปตั้งแต่ครึ่งแรกและเสียดายเงินจริงๆ"),
        (
            "one of the best films of the year with a fine cast and no dull moment",
            "one of the worst hours of my life, spent in a cold and empty room",
        ),
        # They share the opening of a hundred reviews, and nothing else.
        (
            "I used to watch this when I was a child. " + LONG,
            "I used to watch this when I was a child.",
        ),
    ],
)
def test_other_texts_are_others(text, other):
    assert groups(text, other) == [0, 1]


def test_numbers_are_in_the_order_of_the_rows():
    assert groups("b", "a", "B!", "c", "a.") == [0, 1, 0, 2, 1]
    assert groups() == []


@given(st.lists(st.text(max_size=30), max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_text_is_in_a_group_with_what_differs_in_case_and_white_space(texts):
    found = groups(*texts, *(f" {text.casefold()}\n" for text in texts))
    assert found[: len(texts)] == found[len(texts) :]
    firsts = list(dict.fromkeys(found))
    assert firsts == list(range(len(firsts)))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=6))
@settings(max_examples=50, deadline=None)
def test_compiled_code_finds_the_words(texts):
    texts += ["it's, it's", "...", "a b a", "ｄｏｇ 很好"]
    found, offsets = _hashed(np.array(texts, dtype=object), print)
    words = [words_of(text) for text in texts]
    digests = [blake2b(word, digest_size=8).digest() for word in chained(*words)]
    assert found.tolist() == [int.from_bytes(digest, "little") for digest in digests]
    assert np.diff(offsets).tolist() == [len(row) for row in words]


def test_candidates_are_neighbours_in_a_bucket():
    """Against the definition, which looks at all pairs."""
    hashes = np.random.default_rng(0).integers(3, size=(60, BANDS * BAND)).astype(np.uint32)
    found = {}
    for band in range(BANDS):
        buckets = hashes[:, band * BAND : (band + 1) * BAND].tolist()
        for second in range(60):
            earlier = [row for row in range(second) if buckets[row] == buckets[second]]
            for first in earlier[-NEIGHBOURS:]:
                found[first, second] = (hashes[first] == hashes[second]).sum()
    wanted = [pair for pair, equal in found.items() if equal >= 0.35 * BANDS * BAND]
    wanted.sort(key=lambda pair: (-found[pair], pair))
    first, second = candidates(hashes, 0.35)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == wanted and wanted


def edited(text, words, rng):
    """A copy with one to three small edits, and with a sentence more if it is long."""
    copy = text.split()
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(copy))
        match rng.choice(["change", "drop", "insert", "punctuation", "case"]):
            case "change":
                copy[place] = rng.choice(words)
            case "drop" if len(copy) > 1:
                del copy[place]
            case "insert":
                copy.insert(place, rng.choice(words))
            case "punctuation":
                copy[place] = copy[place].strip(".,!?") + rng.choice([",", "!", "...", ""])
            case "case":
                copy[place] = copy[place].upper()
    if len(copy) > 100:
        copy += [*rng.choices(words, k=12), "."]
    return " ".join(copy)


@pytest.fixture(scope="module")
def reviews():
    """Every sentence of rotten-tomatoes, and 3,000 reviews of imdb."""
    sentences, long = (
        read(name)["text"].to_numpy(dtype=object) for name in ("rotten-tomatoes", "imdb")
    )
    return np.concatenate([sentences, long[::8][:3000]])


def test_a_planted_leak_is_found_and_nothing_else(reviews):
    rng = random.Random(3)
    words = " ".join(rng.sample(list(reviews), 300)).split()
    rows = rng.sample(range(len(reviews)), len(reviews) // 50)
    copies = [edited(reviews[row], words, rng) for row in rows]
    before = near_duplicates(reviews)
    after = near_duplicates(np.concatenate([reviews, np.array(copies, dtype=object)]))
    found = after[rows] == after[len(reviews) :]
    assert found.mean() > 0.95
    # One sentence in a hundred has less than five words: there a changed word is another text.
    assert found[[len(words_of(reviews[row])) >= 10 for row in rows]].mean() > 0.99
    shared = np.bincount(before)[before] > 1
    assert shared.mean() < 0.01


def chain(n):
    """Texts of 20 words, each beginning four words later than the one before."""
    words = [f"word{i}" for i in range(4 * n + 20)]
    return [" ".join(words[4 * i : 4 * i + 20]) for i in range(n)]


def test_the_order_of_the_rows_has_no_say(reviews):
    texts = np.concatenate([reviews[:8530], np.array(chain(300), dtype=object)])
    order = np.random.default_rng(1).permutation(len(texts))
    before, shuffled = near_duplicates(texts)[order], near_duplicates(texts[order])
    assert before.max() == shuffled.max()
    assert len(np.unique(np.stack([before, shuffled]), axis=1).T) == before.max() + 1


def test_groups_are_the_same_in_every_process():
    code = (
        "import numpy as np; from search.corpus.duplicates import _hashed; "
        "from search.corpus.minhash import signatures; "
        "print(signatures(*_hashed(np.array(['a b c'], object), print))[0, :3].tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def similarity(a, b):
    a, b = (set(pairwise(words)) for words in (words_of(a), words_of(b)))
    return len(a & b) / len(a | b)


def test_a_chain_ends_before_its_texts_have_nothing_in_common():
    texts = chain(350)
    assert similarity(texts[0], texts[1]) > ALIKE and similarity(texts[0], texts[5]) == 0
    found = np.array(groups(*texts))
    assert found.max() > 50
    sizes = np.bincount(found)
    assert sizes.max() > 2  # near-duplicates of near-duplicates are in the group ...
    for group in range(len(sizes)):  # ... as far as there is one that all are related to
        members = [texts[row] for row in np.flatnonzero(found == group)]
        assert any(all(similarity(m, other) >= RELATED for other in members) for m in members)


def test_texts_of_one_template_are_one_group():
    rng = random.Random(0)
    texts = [
        f"The parcel {rng.randrange(999)} came after {rng.randrange(30)} days and the box was "
        f"{rng.choice(['red', 'blue', 'green', 'open', 'wet'])} so I sent it back to the shop"
        for _ in range(3000)
    ]
    assert np.bincount(groups(*texts)).max() > 2950


def test_short_texts_that_share_a_phrase_are_no_copies():
    """Paraphrases of different classes, as in BANKING77; a planted copy is found among them."""
    rng = random.Random(0)
    things = ["address", "currency", "limit", "card", "name", "pin", "phone", "plan"]
    shapes = ["how can i change my {}", "where do i find my {}", "why was my {} refused today"]
    words = [f"{a}{b}{c}" for a in "bdfgkl" for b in ("o", "ai", "u") for c in "mnrst"]
    texts = [
        f"{shape.format(thing)} {word}"
        for shape in shapes
        for thing in things
        for word in rng.sample(words, 12)
    ]
    copied = "the cashier at the corner shop would not take it twice"
    copy = "the cashier at the corner store would not take it twice"
    found = near_duplicates(np.array([*texts, copied, copy], dtype=object))
    assert np.bincount(found).tolist() == [1] * len(texts) + [2]


def test_signatures_estimate_the_similarity():
    rng = np.random.default_rng(0)
    for wanted in (0.2, 0.5, 0.8):
        errors = []
        for _ in range(30):
            words = rng.integers(2**63, size=400, dtype=np.uint64)
            shared = int(wanted * 400)
            other = np.concatenate(
                [words[:shared], rng.integers(2**63, size=400 - shared, dtype=np.uint64)]
            )
            sets = [set(pairwise(row.tolist())) for row in (words, other)]
            exact = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
            signed = signatures(np.concatenate([words, other]), np.array([0, 400, 800]))
            errors.append(np.mean(signed[0] == signed[1]) - exact)
        assert abs(np.mean(errors)) < 0.04 and np.std(errors) < 0.09


def test_shingles_do_not_reach_into_the_next_text():
    words = np.array([1, 2, 3, 4, 5], np.uint64)
    both = shingles(words, np.array([0, 3, 5]))
    alone = shingles(words[:3], np.array([0, 3])), shingles(words[3:], np.array([0, 2]))
    assert both.tolist() == np.concatenate(alone).tolist() and len(both) == 3
