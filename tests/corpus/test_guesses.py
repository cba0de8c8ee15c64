"""The encoding that a message names is the right one, and the message shows how it reads."""

import pytest

from search.corpus.encodings import decoded
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


def test_one_line_of_another_encoding():
    """To read all in the encoding of that line would break the others."""
    content = b"text\n" + "schön\n".encode() * 20 + "schön\n".encode("cp1252")
    with pytest.raises(DataError, match=r"line 22 has the byte 0xf6, .* the rest of the file is"):
        decoded("r.csv", content)
