"""The command that makes a run again, from what run.json has of it."""

import shlex
from collections.abc import Mapping
from typing import Any

from search.settings import Settings


def command_line(settings: Mapping[str, Any]) -> str:
    """The shell command of a run; what has its default is left out.

    Args:
        settings: as in run.json; names that this version does not know are left out.
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
