"""All commands under one name."""

import importlib.metadata
import sys
import tomllib

import pytest
from typer.main import get_command

import search
from search.__main__ import NAMES
from search.commands import OTHER_OPTIONS
from search.run import app
from tests.conftest import ROOT, run_command, run_here


def test_without_a_command_all_are_listed():
    done = run_command("search")
    assert (done.returncode, done.stderr) == (0, "")
    for name in NAMES:
        assert f"\n  {name} " in done.stdout
    assert "--install-completion" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_command_is_the_one_of_its_own_module(name):
    own, here = run_here(f"search.{name}", "--help"), run_here("search.__main__", name, "--help")
    assert here.returncode == 0
    assert own.stdout.partition("\n")[2] == here.stdout.partition("\n")[2]
    assert here.stdout.startswith(f"Usage: python -m search.__main__ {name} [OPTIONS]")


def test_errors_and_versions():
    assert run_here("search.__main__", "--version").stdout.strip() == search.__version__
    done = run_here("search.__main__", "tune")
    assert done.returncode == 2 and "No such command 'tune'" in done.stderr
    done = run_command("search", "predict", "--model", "nowhere.keras", "a text")
    assert done.returncode == 2 and done.stderr.startswith("error: nowhere.keras: cannot be read")


def test_it_is_the_console_script():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    [(name, value)] = scripts.items()
    entry = importlib.metadata.EntryPoint(name, value, "console_scripts")
    assert name == "bilstm-search" and entry.load() is sys.modules["search.__main__"].leave


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("name", ["__main__", *NAMES])
def test_help_fits_the_terminal(name, columns):
    text = run_command(f"search.{name}", "--help", COLUMNS=str(columns)).stdout
    assert max(map(len, text.splitlines())) <= columns
    assert "..." not in text.partition("Commands:")[2]


def test_options_of_run_are_in_groups():
    lines = run_here("search.run", "--help").stdout.splitlines()
    others = lines[lines.index(f"{OTHER_OPTIONS}:") + 1 :]
    assert [line.split()[0] for line in others if line.strip()] == ["--help"]
    for parameter in get_command(app).params:
        assert sum(line.split()[:1] == [parameter.opts[-1]] for line in lines) <= 1
