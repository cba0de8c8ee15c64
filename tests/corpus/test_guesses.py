"""The encoding that a message names is the right one, and the message shows how it reads."""

import re
import unicodedata

import pytest

from search.corpus.encodings import decoded
from search.corpus.guesses import likeliest
from search.errors import DataError

SENTENCES = {
    "cp1252": ["Le film était bien meilleur que prévu", "Très ennuyeux, je suis parti à la moitié"],
    "cp1254": ["Film beklediğimden çok daha iyiydi", "Çok sıkıcı, yarısında çıktım, şarkı kötü"],
    "cp1250": ["Fabuła przewidywalna, dialogi głupie", "Dawno nie widziałem tak ciepłego kina"],
    "cp1251": ["Фильм оказался лучше, чем я ожидал", "Очень скучно, ушёл с середины сеанса"],
    "koi8_r": ["Актёры играют прекрасно", "Сюжет предсказуемый, диалоги глупые"],
    "cp1255": ["הסרט היה הרבה יותר טוב ממה שציפיתי", "משעמם מאוד ויצאתי באמצע ההקרנה"],
    "cp1256": ["كان الفيلم أفضل بكثير مما توقعت", "ممل جدا وخرجت في منتصف العرض"],
    "cp932": ["この映画はとても面白かったです", "話の筋が読めてしまい、台詞もひどい"],
    "gb18030": ["这部电影比我想象的要好得多", "情节老套，对白愚蠢，音乐让人烦躁"],
    "mac_roman": ["Le film était bien meilleur que prévu", "Très ennuyeux, à éviter, ça traîne"],
    "cp850": ["Le film était bien meilleur que prévu", "Très ennuyeux, à éviter, ça traîne"],
    "cp949": ["이 영화는 생각보다 훨씬 재미있었어요", "줄거리가 뻔하고 대사가 유치하다"],
}


@pytest.mark.parametrize("encoding", SENTENCES)
def test_the_likeliest_encoding(encoding):
    lines = [f"{text},{i % 2}\n" for i, text in enumerate(SENTENCES[encoding] * 10)]
    content = ("text,label\n" + "".join(lines)).encode(encoding)
    with pytest.raises(DataError, match=f"likeliest {encoding}, which reads .*--encoding") as found:
        decoded("r.csv", content)
    word = str(found.value).split("which reads '")[1].partition("'")[0]
    assert word in SENTENCES[encoding][0] and not word.isascii()


DOS_AND_MAC = {
    "German": ["Ein schöner Film für die ganze Familie", "Großer Käse, viel zu lang, überflüssig"],
    "Spanish": [
        "La película fue mucho mejor de lo que creía",
        "Muy aburrida, salí a la mitad, mañana",
    ],
    "Portuguese": ["O filme foi melhor do que eu esperava, não é", "Ação demais, história fraca"],
    "Swedish": ["Filmen var bättre än väntat", "Långtråkig, jag gick på hälften för att sova"],
}


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "cp850"])
@pytest.mark.parametrize("language", DOS_AND_MAC)
def test_the_same_letters_of_other_systems(language, encoding):
    lines = [f"{text},{i % 2}\n" for i, text in enumerate(DOS_AND_MAC[language] * 10)]
    with pytest.raises(DataError, match=f"likeliest {encoding}, which reads"):
        decoded("r.csv", ("text,label\n" + "".join(lines)).encode(encoding))


OTHERS = {
    ("iso8859_2", "Czech"): ["Film byl lepší, než jsem čekal", "Příšerná nuda, škoda"],
    ("cp852", "Czech"): ["Film byl lepší, než jsem čekal", "Příšerná nuda, škoda"],
    ("cp1250", "Hungarian"): [
        "A film sokkal jobb volt, mint vártam",
        "Szörnyű, a felénél kijöttem",
    ],
    ("cp1250", "Romanian"): ["Mai bun decât mă aşteptam", "Plictisitor, am plecat la jumătate"],
    ("cp1257", "Latvian"): [
        "Filma bija labāka, nekā gaidīju",
        "Ļoti garlaicīgi, aizgāju pusē, žēl",
    ],
    ("cp1253", "Greek"): ["Η ταινία ήταν πολύ καλύτερη", "Πολύ βαρετή, έφυγα στη μέση"],
    ("cp1252", "English"): ["It’s a “great” film – don’t miss it", "Boring… I left at half"],
    ("mac_roman", "English"): ["A “great” café – don’t miss it", "Boring… “naïve”, I left at half"],
}


@pytest.mark.parametrize(("encoding", "language"), OTHERS)
def test_letters_of_other_languages(encoding, language):
    lines = [f"{text},{i % 2}\n" for i, text in enumerate(OTHERS[encoding, language] * 10)]
    with pytest.raises(DataError, match=f"likeliest {encoding}, which reads"):
        decoded("r.csv", ("text,label\n" + "".join(lines)).encode(encoding))


def test_vietnamese():
    """In this encoding most letters have their tones behind them."""
    texts = ["Phim hay hơn tôi tưởng rất nhiều", "Quá chán, tôi bỏ về giữa chừng, đáng tiếc"]
    tones = "\u0300\u0301\u0303\u0309\u0323"
    content = b"text,label\n"
    for row, text in enumerate(texts * 10):
        parts = unicodedata.normalize("NFD", text)
        apart = re.sub(f"([{tones}])([\u0302\u0306\u031b])", r"\2\1", parts)
        for letter in re.findall("\\w[\u0302\u0306\u031b]", apart):
            apart = apart.replace(letter, unicodedata.normalize("NFC", letter))
        content += f"{apart},{row % 2}\n".encode("cp1258")
    with pytest.raises(DataError, match="likeliest cp1258, which reads"):
        decoded("r.csv", content)


def test_one_line_of_another_encoding():
    """To read all in the encoding of that line would break the others."""
    content = b"text\n" + "schön\n".encode() * 20 + "schön\n".encode("cp1252")
    with pytest.raises(DataError, match=r"line 22 has the byte 0xf6, .* the rest of the file is"):
        decoded("r.csv", content)


def test_half_a_surrogate_pair_in_utf_8():
    """As Java and old versions of Python write it; no encoding reads it."""
    content = "text\n" + "so fine \ud83d\n"
    with pytest.raises(DataError, match=r"line 2 has .* half a surrogate pair; mend that line"):
        decoded("r.csv", content.encode("utf-8", "surrogatepass"))


def test_lines_of_two_encodings():
    """Two files one behind the other: whichever encoding is named, it breaks half of them."""
    words = ["schön", "größer", "überall", "Äpfel"]
    content = "".join(f"{word}\n" for word in words * 9)
    both = b"text\n" + content.encode() + content.encode("cp1252")
    with pytest.raises(DataError, match=r"line 38 has .* as 36 other lines .* in two encodings"):
        decoded("r.csv", both)


@pytest.mark.parametrize("encoding", ["utf_16_le", "utf_16_be"])
def test_utf_16_without_a_mark(encoding):
    content = ("text,label\r\n" + "这是电影很好看，我喜欢,1\r\n" * 20).encode(encoding)
    with pytest.raises(DataError, match=f"likeliest {encoding}, .* say --encoding {encoding}"):
        decoded("r.csv", content)
    assert decoded("r.csv", content, encoding)[0].startswith("text,label")
    words = "text,label\nCafé,1\n".encode(encoding)
    assert likeliest(words, words.index(0xE9)) == (encoding, "Café")
