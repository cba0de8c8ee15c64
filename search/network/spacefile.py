"""Search spaces in TOML files and in `--set` options.

embedding_dim = [32, 64, 128]                        one of these
learning_rate = {low = 3e-4, high = 1e-2, log = true}  between the two
pooling = "max"                                      always this
"""

import math
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from search.corpus.store import Corpus
from search.errors import SettingsError
from search.network import steps
from search.network.space import FIELDS, Configuration, Range, Space, Spec, Value, core, wide
from search.untrusted import content_of

NAMED = ("core", "wide")
MOST_STEPS = 1_000_000  # of a range
_RANGE_KEYS = ("low", "high", "step", "log")


def chosen_space(name: str, changes: Iterable[str], corpus: Corpus) -> Space:
    """Returns the search space that the settings describe.

    Args:
        name: "core", "wide" or the path of a TOML file.
        changes: overrides: `name=value`, `name=low..high` or `name=a,b` each.
        corpus: the data, from which "wide" takes its ranges.

    Raises:
        SettingsError: a name or a value is invalid; the message lists the valid ones.
    """
    everything = wide(corpus)
    space = {"core": core(corpus), "wide": everything}.get(name) or read_space(Path(name))
    return space | dict(_change(text, {**everything, **space}) for text in changes)


def read_space(path: Path) -> Space:
    """Reads a search space from a TOML file.

    Raises:
        SettingsError: it cannot be read, or something in it is invalid.
    """
    try:
        content = content_of(path).decode()
    except FileNotFoundError:
        raise SettingsError(
            f"--space {path}: no such file, and no space of that name (known: {', '.join(NAMED)})"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: cannot be read: {getattr(error, 'strerror', error)}"
        ) from error
    try:
        plain = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from None
    if not plain:
        raise SettingsError(f"{path}: there is no hyperparameter in it")
    return {name: _spec(name, value, str(path)) for name, value in plain.items()}


def written(space: Space) -> str:
    """Returns a search space as the content of a TOML file."""
    meanings = _meanings()
    entries = [
        textwrap.fill(meanings[name], 96, initial_indent="# ", subsequent_indent="# ")
        + f"\n{name} = {spec_text(spec)}\n"
        for name, spec in space.items()
    ]
    return "\n".join(entries)


def spec_text(spec: Spec) -> str:
    """Returns the space of one hyperparameter as TOML."""
    if isinstance(spec, tuple):
        return f"[{', '.join(map(spec_text, spec))}]"
    if isinstance(spec, Range):
        inside = [f"low = {spec.low!r}", f"high = {spec.high!r}"]
        inside += [f"step = {spec.step!r}"] if spec.step else []
        inside += ["log = true"] if spec.log else []
        return "{" + ", ".join(inside) + "}"
    return f'"{spec}"' if isinstance(spec, str) else repr(spec)


def values_of(text: str) -> dict[str, Value]:
    """Parses `name=value,name=value,…` into hyperparameters by name.

    Raises:
        SettingsError: the text has another form.
    """
    found = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise SettingsError(
                f"--try {text}: expected name=value,name=value,…, found {part.strip()!r}"
            )
        found[name.strip()] = _checked(name.strip(), _plain(value), "--try")
    return found


def _change(text: str, known: Space) -> tuple[str, Spec]:
    """Parses one `--set`."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not value:
        raise SettingsError(
            f"--set {text}: expected name=value, name=low..high or name=a,b, such as "
            "--set dropout=0.2..0.5"
        )
    if value.startswith("{") and value.endswith("}"):  # in quotes: shells would expand it
        value = value[1:-1] + ","
    if "," in value:
        parts = value.removesuffix(",").split(",")
        return name, _spec(name, [_plain(part) for part in parts], "--set")
    low, dots, high = value.partition("..")
    if not dots:
        return name, _spec(name, _plain(value), "--set")
    ends: dict[str, Any] = {"low": _plain(low), "high": _plain(high)}
    before = known.get(name)
    if isinstance(before, Range):  # on the scale that it has
        ends["log"] = before.log
        if before.step:
            ends["step"] = before.step
    return name, _spec(name, ends, "--set")


def _spec(name: str, plain: Any, where: str) -> Spec:
    """Checks one entry."""
    if name not in FIELDS:
        raise SettingsError(
            f"{where}: there is no hyperparameter {name!r}; there are: {', '.join(FIELDS)}"
        )
    if isinstance(plain, list):
        if not plain:
            raise SettingsError(f"{where}: {name}: the list is empty")
        values = tuple(dict.fromkeys(_checked(name, value, where) for value in plain))
        return values if len(values) > 1 else values[0]
    if not isinstance(plain, dict):
        return _checked(name, plain, where)
    if unknown := set(plain) - set(_RANGE_KEYS):
        raise SettingsError(
            f"{where}: {name}: unknown key {sorted(unknown)[0]!r} in a range; "
            f"known are {', '.join(_RANGE_KEYS)}"
        )
    if isinstance(FIELDS[name].default, str):
        raise SettingsError(f"{where}: {name}: expected a name or a list of names, found a range")
    missing = [key for key in ("low", "high") if key not in plain]
    if missing:
        raise SettingsError(f"{where}: {name}: a range needs {missing[0]!r}")
    low, high = (_checked(name, plain[key], where) for key in ("low", "high"))
    step, log = plain.get("step"), plain.get("log", False)
    if not isinstance(log, bool):
        raise SettingsError(f"{where}: {name}: log must be true or false, not {log!r}")
    assert not isinstance(low, str) and not isinstance(high, str)
    if low >= high:
        raise SettingsError(f"{where}: {name}: low must be less than high, found {low} and {high}")
    if log and low <= 0:
        raise SettingsError(f"{where}: {name}: with log = true, low must be above 0, found {low}")
    if step is not None:
        step = _checked(name, step, where, ends=False)
        few = not isinstance(step, str) and step > 0 and (high - low) / MOST_STEPS <= step
        if log or isinstance(step, str) or not few or steps.count(low, high, step) < 2:
            raise SettingsError(
                f"{where}: {name}: step must be above 0, at most high - low, without log and not "
                f"so small that there are more than {MOST_STEPS:,} steps, found {step}"
            )
    return Range(low, high, step, log)


def _checked(name: str, value: Any, where: str, *, ends: bool = True) -> Value:
    """A value that a hyperparameter may have, of its type."""
    if name not in FIELDS:
        raise SettingsError(
            f"{where}: there is no hyperparameter {name!r}; there are: {', '.join(FIELDS)}"
        )
    usual, limits = FIELDS[name].default, FIELDS[name].metadata
    if "values" in limits:
        if value not in limits["values"]:
            known = ", ".join(limits["values"])
            raise SettingsError(f"{where}: {name}: expected one of {known}, found {value!r}")
        return str(value)
    whole = isinstance(usual, int)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or (whole and value != int(value)):
        what = "a whole number" if whole else "a number"
        raise SettingsError(f"{where}: {name}: expected {what}, found {value!r}")
    low, high = limits["lowest"], limits["highest"]
    if ends and not low <= value <= high:
        raise SettingsError(f"{where}: {name}: expected {low} to {high}, found {value!r}")
    return int(value) if whole else float(value)


def _plain(text: str) -> Value:
    """A word of the command line as a number, where it is one."""
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text.strip("'\"")


def _meanings() -> dict[str, str]:
    """What each hyperparameter is, from the docstring of `Configuration`."""
    found: dict[str, str] = {}
    name = ""
    for line in (Configuration.__doc__ or "").partition("Attributes:")[2].splitlines():
        head, colon, text = line.strip().partition(": ")
        if colon and head in FIELDS:
            name = head
            found[name] = text
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found
