"""The shell command that reproduces a run, from its run.json."""

import shlex
from collections.abc import Mapping
from typing import Any

from search.settings import Settings


def command_line(settings: Mapping[str, Any]) -> str:
    """Returns the shell command of a run, without options that have their default.

    Args:
        settings: as in run.json; unknown names are ignored.
    """
    words = ["python", "-m", "search.run"]
    usual = Settings().model_dump(mode="json")
    for name, value in settings.items():
        if name not in usual or value in (usual[name], None):
            continue
        option = "--" + name.rstrip("_").replace("_", "-")
        if value is True:
            words.append(option)
        elif name == "export":
            words += [option, ",".join(value)]
        else:
            for one in value if isinstance(value, list) else [value]:
                words += [option, f"{one:g}" if isinstance(one, float) else str(one)]
    return shlex.join(words)
