from search.display import LONGEST_NAME, briefly, code, markdown, visible, yaml


def test_what_acts_on_a_terminal_is_shown_instead():
    assert visible("\x1b[31mred\x07\x00\x9b2J") == "�[31mred��" + "�2J"


def test_text_cannot_be_turned_round():
    assert visible("user\u202etxt.exe\u2066") == "usertxt.exe"


def test_all_else_stays():
    text = "naïve 日本 😀👩‍🚀 العربية\n\ttab — “quoted” <b>"
    assert visible(text) == text
    assert visible(7) == "7"


def test_markdown():
    assert code("a`b``\n# x") == "```a`b`` # x```"
    assert code("") == "`   `"
    assert code("`x") == "`` `x ``"
    assert markdown("# a\n<b> [x](y) | z_") == r"\# a \<b\> \[x\](y) \| z\_"
    assert yaml({"a": '\u2028\x85\ud800"\n😀'}) == r'{"a": "\u2028\u0085\ud800\"\n😀"}'


def test_a_name_is_one_short_line():
    assert briefly("two\nlines\x1b") == "two lines�"
    assert briefly("x" * 100) == "x" * (LONGEST_NAME - 1) + "…"
