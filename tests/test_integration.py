"""What runs by itself elsewhere: continuous integration, and the checks before a commit."""

import os
import re
import subprocess
import sys
import tomllib

import yaml

from tests.conftest import ROOT


def test_every_python_that_is_promised_is_tested():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    job = workflow["jobs"]["test"]
    assert job["steps"][-1] == {"run": "bash .ci/run"}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    low, above = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", wanted).groups())
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(low, above)]


def test_the_script_is_bash_and_ends_with_the_tests():
    script = ROOT / ".ci" / "run"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK) and script.read_text().endswith("\nmake test\n")


def test_what_was_skipped_is_said_with_the_command_that_brings_it():
    tests = "tests/end_to_end/test_browser.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tests],
        cwd=ROOT, env={**os.environ, "PATH": "/nowhere"}, capture_output=True, text=True,
    )  # fmt: skip
    assert re.search(
        r"\n(\d+) skipped: needs Chromium and its driver: apt-get install chromium chromium-driver"
        r"\n\1 skipped in .*\n$",
        done.stdout,
    ), done.stdout


def test_a_commit_is_checked_as_make_checks():
    (source,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = source["hooks"]
    assert source["repo"] == "local" and hook["entry"] == "make check"
    assert "\ncheck:" in (ROOT / "Makefile").read_text()
