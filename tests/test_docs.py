"""README and `docs/`: plain sentences, links that lead somewhere, messages that there are."""

import inspect
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

import search
from tests.conftest import ROOT
from tests.test_readme import PAGES

LONGEST_SENTENCE = 30  # words
LINKING = {
    **{name: ROOT / ("" if name == "README.md" else "docs") for name in PAGES},
    **dict.fromkeys(("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"), ROOT),
}


def sentences(text):
    """The sentences of a page: code is one word, and a list item or a table's cell a paragraph."""
    text = re.sub(r"^```.*?^```|<!--.*?-->", "\n\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4}\S.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "code", text))
    text = re.sub(r"^(\s*([-*|]|\d+\.|#+)\s)", r"\n\n\1", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n|\|", text):
        found = re.split(r"(?<=[.!?])[*)\"]*\s+", " ".join(paragraph.split()))
        yield from filter(None, found)


def test_the_version_to_cite_is_this_one():
    assert f"\nversion: {search.__version__}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize("page", LINKING)
def test_sentences_are_short(page):
    text = (LINKING[page] / page).read_text(encoding="utf-8")
    long = [s for s in sentences(text) if len(s.split()) > LONGEST_SENTENCE]
    assert not long


def test_sentences_are_found():
    assert list(sentences("# A b\n\nOne two\nthree. Four `a b`!\n- five")) == [
        *("# A b", "One two three.", "Four code!", "- five"),
    ]


def test_pages_are_short():
    lines = {page: text.count("\n") for page, text in PAGES.items()}
    assert lines.pop("README.md") <= 150
    assert max(lines.values()) <= 250


def anchors(path):
    """What can be linked to in a file: its headings, as GitHub and the site name them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", LINKING)
def test_links(page):
    """Without the generator, too; other sites are not asked."""
    here = LINKING[page] / page
    for link in re.findall(r"\]\(([^)\s]+)\)", here.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        if "://" in link:
            continue
        there = here.parent / name if name else here
        assert there.is_file(), link
        assert not anchor or anchor in anchors(there), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page):
    named = re.findall(r"`((?:tests|search|examples|data)/[\w./]*)`", PAGES[page])
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_tree_in_the_design_is_that_of_the_package():
    folder, shown = "", set()
    for name in re.findall(r"^  ( *\w+(?:\.py|/)) ", PAGES["design.md"], re.MULTILINE):
        inside = name.startswith(" ")
        folder = folder if inside else name if name.endswith("/") else ""
        shown.add((folder if inside else "") + name.strip())
    package = ROOT / "search"
    found = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    assert {name for name in shown if name.endswith(".py")} == {
        name for name in found if not name.endswith("__init__.py")
    }


def test_the_reference_has_every_public_name_and_parameter():
    parts = re.split(r"^## (.*)$", PAGES["reference.md"], flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert {*sections} == {*search.__all__} - {"__version__"}
    for name, text in sections.items():
        if name == "Settings":  # its signature says `try`, the alias of `try_`
            parameters = search.Settings.model_fields
        elif name in ("FastLSTM", "SearchTuner", "SearchError"):  # those of Keras, of `tune`, none
            continue
        else:
            parameters = inspect.signature(getattr(search, name)).parameters
        named = re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", text)))
        assert {*parameters} - {*named} == set(), name


def test_messages_in_the_faq_are_real():
    """What people search for is what the commands print; … stands for what differs."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "search").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*(\+ )?f?"', "", source)
    headings = re.findall(r"^### `(.*)`$", PAGES["faq.md"], re.MULTILINE)
    assert len(headings) >= 20
    assert [h for h in headings if not all(part in source for part in h.split("…"))] == []


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs mkdocs: the extra [docs]")
def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    for name in {*search.__all__} - {"__version__"}:
        said = inspect.getdoc(getattr(search, name)).split("`")[0].split("\n")[0]
        assert said in reference, f"the docstring of {name}"
    for page in tmp_path.glob("site/**/index.html"):
        html = page.read_text(encoding="utf-8")
        for link in re.findall(r'(?:href|src)="([^"#:?]+)"', html):
            there = (page.parent / link).resolve()
            assert (there / "index.html").is_file() if there.is_dir() else there.is_file(), link
