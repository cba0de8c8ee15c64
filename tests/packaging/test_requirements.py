"""An installation that only predicts has what it needs, and no TensorFlow."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires

import pytest
from packaging.requirements import Requirement

from search.packaging.pyfunc import REQUIRED
from search.startup import NOT_TO_PREDICT
from tests.conftest import ROOT

LISTED = {
    line
    for line in (ROOT / "requirements-predict.txt").read_text().splitlines()
    if not line.startswith("#")
}
COMMANDS = {
    "load": "import search; model = search.load({path!r}); print(model.predict(['a warm film'])); "
    "print(model.explain('a warm film'))",
    "predict": "import runpy; sys.argv[1:] = ['--model', {path!r}, '--explain', 'a warm film']; "
    "runpy.run_module('search.predict', run_name='__main__')",
    "file": "import runpy; sys.argv[1:] = ['--model', {path!r}, '--file', 'x.csv']; "
    "runpy.run_module('search.predict', run_name='__main__')",
}
COMMANDS["tune"] = "import search; search.tune"
COMMANDS |= {
    name: f"import runpy; sys.argv[1:] = {words!r}; "
    f"runpy.run_module('search.{name}', run_name='__main__')"
    for name, words in {
        "run": ["--data", "data/sample_reviews.csv"],
        "report": [],
        "compare": ["a", "b"],
        "export": ["--format", "onnx"],
    }.items()
}


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def with_theirs(names):
    """Distributions, and those that they require in turn."""
    found, waiting = set(), [plain(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            wanted = [Requirement(line) for line in requires(name) or ()]
            here = [one for one in wanted if one.marker is None or one.marker.evaluate()]
            waiting += [plain(one.name) for one in here]
    return found


def run(command, path="unused"):
    """Runs Python as if only what is listed were installed."""
    allowed = with_theirs(LISTED) | {"bilstm-search"}
    foreign = [
        module
        for module, owners in packages_distributions().items()
        if module.isidentifier() and not allowed & {plain(owner) for owner in owners}
    ]
    code = f"import sys; sys.modules.update(dict.fromkeys({foreign!r})); "
    assert {"tensorflow", "keras", "pandas", "sklearn", "optuna"} <= {*foreign}
    return subprocess.run(
        [sys.executable, "-c", code + COMMANDS[command].format(path=str(path))],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["load", "predict"])
def test_what_is_listed_is_enough(command, model_file):
    done = run(command, model_file)
    assert done.returncode == 0, done.stderr
    assert re.search("(nega|posi)tive", done.stdout) and "warm" in done.stdout


def test_what_a_file_needs_is_named(model_file):
    done = run("file", model_file)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "--file needs pandas, pyarrow, not installed here: pip install pandas" in done.stderr


@pytest.mark.parametrize("name", ["run", "report", "compare", "export"])
def test_what_other_commands_need_is_named(name):
    """In one sentence, before anything is read or written."""
    done = run(name)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(
        rf"error: search\.{name} needs cloudpickle, jinja2, keras, .*, tensorflow, zstandard, not "
        r"installed here: pip install -c constraints\.txt -e \.\n",
        done.stderr,
    )


def test_what_python_names_need_is_named():
    done = run("tune")
    assert re.search(
        r"\nsearch\.errors\.SettingsError: search\.tune needs cloudpickle, .* pip install -c .*\n$",
        done.stderr,
    )


def test_what_only_a_whole_installation_has():
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lacking = {plain(Requirement(line).name) for line in whole} - LISTED
    owners = packages_distributions()
    assert {plain(owner) for module in NOT_TO_PREDICT for owner in owners[module]} == lacking


def test_a_model_in_mlflow_needs_the_same():
    assert {*REQUIRED} == LISTED - {"typer"} | {"pandas"}
