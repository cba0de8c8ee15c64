"""What bytes that are not UTF-8 are likeliest encoded in: an advice, on which the user decides."""

import itertools
import re

from charset_normalizer import from_bytes

MET = [
    *("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp874", "koi8_r", "koi8_u", "cp866"),
    *("iso8859_2", "iso8859_5", "iso8859_7", "iso8859_15", "mac_roman", "mac_cyrillic"),
    *("utf_16_le", "utf_16_be"),
]
"""Encodings that files are met in; most are those that browsers know."""

MOST_USUAL = "cp1252"  # of what is not UTF-8: what Windows writes in the west
BEFORE, BEHIND = 20_000, 80_000  # bytes around a wrong one that are looked at
FITTING = 0.98  # of the letters beyond ASCII: in a text of a language nearly all are its own
ACCENTS = 0.25  # of the letters: in a language of Latin letters fewer are beyond ASCII
TURNED = 0.05  # of the letters: more capitals behind small ones are of another encoding
EDGES = 2  # characters that may be otherwise in a short text, and at the ends of a sample
ZEROS = 0.05  # of the bytes: where one of two is zero, the other is half of a UTF-16 character
KANA = 0.05  # of the bytes: in no other encoding are there so many by chance
SHOWN = 40  # bytes around a wrong one

PUNCTUATION = "“”‘’„‚–—…•€£§°«»¿¡©®™½¼¾·´ºª№\xa0\xad"
INSIDE = re.compile(r"(?<=[^\W\d_])[–“„‚…•€£§°«»¿¡©®™½¼¾´ºª\xa0](?=[^\W\d_])")
"""Signs within words, where there are none."""

TONES = "\u0300\u0301\u0303\u0309\u0323"
WEST = {
    "French": "àâæçéèêëîïôœùûü",
    "German": "äöüßé",
    "Spanish": "áéíñóúü",
    "Portuguese": "ãáàâçéêíóôõú",
    "Italian": "àèéìíòóù",
    "of the north": "åäöæøéü",
    "Icelandic": "áðéíóúýþæö",
}
CENTRE = {
    "Polish": "ąćęłńóśźż",
    "Czech and Slovak": "áčďéěíňóřšťúůýžäĺľŕô",
    "Hungarian": "áéíóöőúüű",
    "Romanian": "ăâîşţ",
    "of the Slavic south": "čćđšž",
}
BALTIC = {"Latvian": "āčēģīķļņšūž", "Lithuanian": "ąčęėįšųūž", "Estonian": "äõöüšž"}
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў"
GREEK = "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ"
WESTERN = ("cp1252", "mac_roman", "cp850")
ALPHABETS = (
    (WESTERN, WEST.values()),
    (("cp1250", "iso8859_2", "cp852"), CENTRE.values()),
    (("cp1254", "cp857"), ["çğıöşüâîûi̇"]),
    (("cp1257", "cp775"), BALTIC.values()),
    (("cp1258",), ["âêôàáèéíóùúýăđơư" + TONES]),
    (WESTERN, ["".join(WEST.values())]),  # several languages
    (("cp1255", "cp862"), ["".join(map(chr, range(0x5D0, 0x5EB)))]),
    (("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5"), [CYRILLIC]),
    (("cp1253", "iso8859_7", "cp737"), [GREEK]),
)
"""Encodings, and the letters of languages that are written in them, beside those of ASCII.

The first that fits is meant. charset-normalizer knows more encodings, but takes short texts of
these for others.
"""


def likeliest(content: bytes, start: int = 0) -> tuple[str, str] | None:
    """What some bytes are likely to be encoded in, and how the word around one of them reads then.

    Args:
        content: a file, or a part of it.
        start: the place of the first byte that is not UTF-8.
    """
    sample = content[max(0, start - BEFORE) // 2 * 2 : start + BEHIND]  # whole UTF-16 characters
    best = _by_zeros(sample) or _by_alphabet(sample) or _by_statistics(sample)
    return None if best is None else (best, _word(content, start, best))


def _by_zeros(sample: bytes) -> str | None:
    """UTF-16 without a byte-order mark: half of what is ASCII in it are zeros."""
    first, second = (sample[place::2].count(0) for place in (0, 1))
    fewer, more = sorted((first, second))
    if more < ZEROS * len(sample) or fewer > ZEROS * more:
        return None
    return "utf_16_le" if first < second else "utf_16_be"


def _by_alphabet(sample: bytes) -> str | None:
    if len(re.findall("[ぁ-んァ-ヶ]", sample.decode("cp932", "replace"))) > KANA * len(sample):
        return "cp932"
    usual = sample.decode(MOST_USUAL, "replace")
    beyond = re.findall(r"[^\x00-\x7f]", usual)
    marks = sum(character in PUNCTUATION for character in beyond) - len(INSIDE.findall(usual))
    if marks >= FITTING * len(beyond) - EDGES:  # typographic quotation marks, and no letters
        return MOST_USUAL
    for encodings, alphabets in ALPHABETS:
        for encoding in encodings:
            text = sample.decode(encoding, "replace")
            if any(_is_in(letters, text) for letters in alphabets):
                return encoding
    return None


def _is_in(letters: str, text: str) -> bool:
    """Whether a text looks like one of a language with these letters beside those of ASCII."""
    beyond = re.findall(r"[^\x00-\x7f]", text)
    own = [character for character in beyond if character.lower() in letters]
    known = len(own) + sum(character in PUNCTUATION for character in beyond)
    if not own or known < FITTING * len(beyond) - EDGES:
        return False
    if letters.endswith(TONES):  # else it is any language with such vowels
        return sum(character in TONES for character in own) > ACCENTS * len(own)
    odd = sum(a.islower() and b.isupper() for a, b in itertools.pairwise(text))
    odd += len(INSIDE.findall(text))
    is_latin = letters[0] < "ʰ"
    if not is_latin:
        odd += len(re.findall(f"[a-z](?=[{letters}])|[{letters}](?=[a-z])", text))
    return (
        sum(map(str.islower, own)) >= sum(map(str.isupper, own))
        and odd <= TURNED * len(own) + EDGES
        and not (is_latin and len(own) > ACCENTS * sum(map(str.isalpha, text)))
    )


def _by_statistics(sample: bytes) -> str | None:
    """What charset-normalizer takes them for."""
    found = list(from_bytes(sample, cp_isolation=MET))
    if not found:
        return None
    # Of what reads the same, or is as likely, what is most often met.
    rank = (found[0].chaos, found[0].coherence)
    same = [match for match in found if (match.chaos, match.coherence) == rank]
    names = [name for match in same for name in match.could_be_from_charset]
    return MOST_USUAL if MOST_USUAL in names else found[0].encoding


def _word(content: bytes, start: int, encoding: str) -> str:
    """The word around a byte."""
    begin = max(content.rfind(b"\n", 0, start), start - SHOWN) + 1
    begin += begin % 2 if encoding.startswith("utf_16") else 0
    text = content[begin : begin + 2 * SHOWN].decode(encoding, "replace")
    found = re.search(r"\w*[^\x00-\x7f\ufffd]\w*", text)
    return found[0] if found else text.strip()
