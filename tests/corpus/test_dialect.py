"""Tables as people write them: read with exactly their rows, or refused, with a remedy."""

import csv
import io

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search.corpus import readers
from search.corpus.dialect import Form
from search.corpus.sources import read
from search.errors import DataError

TEXTS = [f"film number {i} was {('dull', 'warm')[i % 2]}" for i in range(40)]


def rows(path, *columns, **form):
    told = []
    table = read(str(path), *columns, form=Form(**form), tell=told.append)
    return list(table.itertuples(index=False, name=None)), " ".join(told)


def file(tmp_path, text, name="r.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


EXPECTED = [(text, "ab"[i % 2]) for i, text in enumerate(TEXTS)]
MARKS = {";": "';'", "|": "'|'", "\t": "a tab", ",": "','"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.txt", "SMSSpamCollection"])
@pytest.mark.parametrize("delimiter", MARKS)
def test_what_separates_columns_is_recognised_and_told(tmp_path, delimiter, name, end):
    lines = [f"text{delimiter}label", *(f"{t}{delimiter}{y}" for t, y in EXPECTED)]
    found, told = rows(file(tmp_path, end.join(lines) + end, name))
    assert found == EXPECTED
    assert f"UTF-8, {MARKS[delimiter]} between columns, a header; text: text, label: label" in told


def test_commas_in_texts_between_semicolons(tmp_path):
    wanted = [(f"{text}, and long", label) for text, label in EXPECTED]
    text = "text;label\n" + "".join(f"{t};{y}\n" for t, y in wanted)
    assert rows(file(tmp_path, text))[0] == wanted


def test_marks_that_are_never_closed_in_a_table_of_tabs(tmp_path):
    """No row is swallowed: such marks are part of the texts, which is told."""
    wanted = [('"' * (i % 7 == 3) + t, y) for i, (t, y) in enumerate(EXPECTED)]
    text = "text\tlabel\n" + "".join(f"{t}\t{y}\n" for t, y in wanted)
    found, told = rows(file(tmp_path, text, "r.tsv"))
    assert found == wanted and "quotation marks are part of the texts" in told


def test_two_marks_that_seem_to_fit(tmp_path):
    """Opened in one text and closed in a later one: two rows would be swallowed."""
    lines = [f"{t}\t{y}" for t, y in EXPECTED]
    lines[5] = f'"{TEXTS[5]}\tb'
    lines[8] = f'{TEXTS[8]}"\ta'
    wanted = [tuple(line.split("\t")) for line in lines]
    text = "text\tlabel\n" + "\n".join(lines)
    assert rows(file(tmp_path, text, "r.tsv"))[0] == wanted
    with pytest.raises(DataError, match=r"line 7: the quoted text .* goes on to line 10.*--quote"):
        rows(file(tmp_path, text.replace("\t", ",")))
    assert rows(file(tmp_path, text.replace("\t", ",")), quote="none")[0] == wanted


def test_tabs_and_consistent_marks(tmp_path):
    wanted = [(f'the "film"\tof\n{text}', label) for text, label in EXPECTED]
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows([("text", "label"), *wanted])
    assert rows(file(tmp_path, out.getvalue(), "r.tsv"))[0] == wanted


def test_marks_escaped_by_a_backslash(tmp_path):
    text = "text,label\n" + "".join(f'"a \\"film\\", {t}",{y}\n' for t, y in EXPECTED)
    found, told = rows(file(tmp_path, text))
    assert found == [(f'a "film", {t}', y) for t, y in EXPECTED]
    assert "\\ before a quotation mark" in told


def test_apostrophes_around_texts(tmp_path):
    text = "".join(f"{y};'{t}; it''s long'\n" for t, y in EXPECTED)
    found, told = rows(file(tmp_path, text))
    assert found == [(f"{t}; it's long", y) for t, y in EXPECTED]
    assert "quoted by apostrophes, no header" in told


def test_apostrophes_that_are_part_of_texts(tmp_path):
    wanted = [(f"'{t}'" if i % 9 == 0 else t, y) for i, (t, y) in enumerate(EXPECTED)]
    text = "text,label\n" + "".join(f"{t},{y}\n" for t, y in wanted)
    assert rows(file(tmp_path, text))[0] == wanted


@pytest.mark.parametrize("bad", [1, 2, 30], ids=["first row", "second row", "far behind"])
def test_a_row_that_is_too_wide_or_too_narrow_is_named(tmp_path, bad):
    lines = ["label,text", *(f"{y},{t}" for t, y in EXPECTED)]
    for line in ("a,cut here, at its comma", "alone"):
        text = "\n".join([*lines[:bad], line, *lines[bad:]])
        width = len(line.split(","))
        with pytest.raises(DataError, match=rf"line {bad + 1}: expected 2 fields, found {width}"):
            rows(file(tmp_path, text))


def test_empty_columns_at_the_end_are_none(tmp_path):
    text = "text,label,,\n" + "".join(f"{t},{y},,\n" for t, y in EXPECTED)
    assert rows(file(tmp_path, text))[0] == EXPECTED


def test_a_table_without_a_header(tmp_path):
    text = "".join(f"{t}\t{y}\n" for t, y in EXPECTED)
    found, told = rows(file(tmp_path, text, "r.tsv"))
    assert found == EXPECTED
    assert "no header (line 1 looks like data: 'a' is in 19 other rows, too)" in told


def test_many_columns_without_a_header_need_their_numbers(tmp_path):
    text = "".join(f'"{y}","{i}","NO_QUERY","{t}"\n' for i, (t, y) in enumerate(EXPECTED))
    path = file(tmp_path, text)
    with pytest.raises(DataError, match="--no-header --text-column 4 --label-column 1"):
        rows(path)
    assert rows(path, "4", "1", no_header=True)[0] == EXPECTED
    assert rows(path, "4", "1")[0] == EXPECTED


def test_two_separators_that_fit_are_not_guessed_between(tmp_path):
    path = file(tmp_path, "".join(f"one, {t};{y}\n" for t, y in EXPECTED))
    with pytest.raises(DataError, match=r"',' or ';'. Say it with --delimiter"):
        rows(path)
    assert rows(path, delimiter=";")[0] == [(f"one, {t}", y) for t, y in EXPECTED]
    with pytest.raises(DataError, match="expected one character or tab, found ';;'"):
        rows(path, delimiter=";;")


def test_columns_without_a_name_or_named_twice_matter_only_if_used(tmp_path):
    text = "text,label,,id,id\n" + "".join(f"{t},{y},x,1,2\n" for t, y in EXPECTED)
    path = file(tmp_path, text)
    assert rows(path)[0] == EXPECTED
    assert rows(path, "3")[0][0] == ("x", "a")
    with pytest.raises(DataError, match=r"'id' 2 times; .* --text-column 4 or 5"):
        rows(path, "id")


def test_texts_of_two_columns_are_joined(tmp_path):
    lines = [f"{'T' * (i % 2)},{t},{y}\n" for i, (t, y) in enumerate(EXPECTED)]
    text = "title,body,label\n" + "".join(lines)
    found = rows(file(tmp_path, text), "title,body")[0]
    assert found[:2] == [(TEXTS[0], "a"), (f"T {TEXTS[1]}", "b")]


# White space around a cell is none of it, and a backslash is what some put before a mark.
CHARACTERS = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\\")
CELLS = st.text(CHARACTERS, min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=150, deadline=None)
@given(
    data=st.lists(st.tuples(CELLS, st.sampled_from(["neg", "pos"])), min_size=4, max_size=12),
    delimiter=st.sampled_from(list(MARKS)),
    quote=st.sampled_from("\"'"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "cp1252"]),
    ending=st.sampled_from([".csv", ".tsv", ".txt", ""]),
    header=st.booleans(),
    piece=st.sampled_from([1, 50, readers.PIECE]),
)
def test_whatever_python_writes(
    tmp_path_factory, data, delimiter, quote, quoting, end, encoding, ending, header, piece
):
    """Exactly the rows come back, or a refusal; never fewer rows, never a traceback."""
    out = io.StringIO(newline="")
    options = {"quotechar": quote, "quoting": quoting, "lineterminator": end}
    writer = csv.writer(out, delimiter=delimiter, **options)
    writer.writerows([("text", "label")] * header + data)
    try:
        content = out.getvalue().encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    path = tmp_path_factory.mktemp("fuzz") / f"r{ending}"
    path.write_bytes(content)
    known = encoding if encoding in ("utf-16-be", "cp1252") else None
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(readers, "PIECE", piece)
            found, _ = rows(path, encoding=known)
    except DataError as error:
        assert str(path) in str(error)
        return
    assert found == data


@pytest.mark.parametrize(
    ("above", "line_ends"),
    [
        ("Reviews of 2024\n\n", "\n"),
        ("# exported by a tool\n# rows: 40\n", "\n"),
        ("Reviews of 2024,,\r\n,,\r\n", ",\r\n"),
        ("# by me, for you\n# of 2024, in May, and June, and July\n", "\n"),
    ],
    ids=["a title", "comments", "a title in a table", "comments with commas"],
)
def test_lines_above_the_header(tmp_path, above, line_ends):
    lines = ["id,text,label", *(f"{i},{t},{y}" for i, (t, y) in enumerate(EXPECTED))]
    text = above + "".join(line + line_ends for line in lines)
    found, told = rows(file(tmp_path, text))
    assert found == EXPECTED and "2 lines above it passed over" in told


def test_what_excel_says_of_the_separator(tmp_path):
    text = "sep=;\r\ntext;label\r\n" + "".join(f"{t}, and long;{y}\r\n" for t, y in EXPECTED)
    found, told = rows(file(tmp_path, text))
    assert found == [(f"{t}, and long", y) for t, y in EXPECTED]
    assert "';' between columns, a header, 1 line above it passed over" in told


def test_wrong_rows_below_a_title_have_their_line(tmp_path):
    lines = ["Reviews of 2024", "text,label", *(f"{t},{y}" for t, y in EXPECTED)]
    with pytest.raises(DataError, match=r"line 8: expected 2 fields, found 3"):
        rows(file(tmp_path, "\n".join([*lines[:7], "a,b,c", *lines[7:]])))


def test_a_title_above_unusual_names_is_told(tmp_path):
    lines = ["Reviews of 2024", "eins,zwei,drei", *(f"{t},{y},x" for t, y in EXPECTED)]
    with pytest.raises(DataError, match=r"line 2 has 3 fields, and the first has one: remove what"):
        rows(file(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    "names",
    ["review_body,star_rating", "Review Text,Sentiment Label", "reviewText,overall", "Satz,Ton"],
)
def test_names_however_they_are_written(tmp_path, names):
    """Of two columns even unknown ones, if only one can be the text."""
    text = names + "\n" + "".join(f"{t},{y}\n" for t, y in EXPECTED)
    found, told = rows(file(tmp_path, text))
    assert found == EXPECTED and "text: {}, label: {}".format(*names.split(",")) in told


def test_two_columns_of_which_both_may_be_the_text_are_not_guessed_between(tmp_path):
    text = "eins,zwei\n" + "".join(f"{t},{t[::-1]}\n" for t in TEXTS)
    with pytest.raises(DataError, match="cannot tell which column is the text"):
        rows(file(tmp_path, text))


def test_spaces_before_quotation_marks(tmp_path):
    text = "label, text\n" + "".join(f'{y}, "{t}, and long"\n' for t, y in EXPECTED)
    found, told = rows(file(tmp_path, text))
    assert found == [(f"{t}, and long", y) for t, y in EXPECTED]
    assert "',' between columns, spaces behind it" in told


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_row_names_of_r(tmp_path, delimiter):
    """R's write.table leaves their column without a name."""
    lines = [f"text{delimiter}label"]
    lines += [
        f'"{n}"{delimiter}"{t}"{delimiter}"{y}"' for n, (t, y) in enumerate(EXPECTED, start=1)
    ]
    with pytest.raises(
        DataError, match=r"line 2 has 3 fields, and the header 2: .* row.names=FALSE"
    ):
        rows(file(tmp_path, "\n".join(lines)))


def test_a_column_called_label_beside_a_score(tmp_path):
    """As a classifier's answers have it."""
    text = "text,score,label\n" + "".join(f"{t},0.9,{y}\n" for t, y in EXPECTED)
    found, told = rows(file(tmp_path, text))
    assert found == EXPECTED and "text: text, label: label" in told
