"""Records of a run, damaged in one place: cut, emptied, exchanged, or with other values in them."""

import json
import random
from pathlib import Path

VALUES = (None, "", "x", "0001", -1, 0, 1.5, 10**30, True, [], [1], {}, {"a": 1}, [[]], "9" * 400)
ENDINGS = (".json", ".csv", ".npy", ".npz")


def records(results: Path) -> list[Path]:
    """All files that a command reads but for the model."""
    found = (path for path in results.rglob("*") if path.suffix in ENDINGS)
    return sorted(path for path in found if "previous" not in path.parts)


def mutate(results: Path, generator: random.Random) -> str:
    """Damages one record; returns what was done."""
    path = generator.choice(records(results))
    content = path.read_bytes()
    kind = generator.choice(
        ["cut", "zeros", "empty", "noise", "bit", "exchanged", "value", "value"]
    )
    if kind == "value" and path.suffix == ".json":
        text, place = changed(json.loads(content), generator)
        path.write_text(text)
        return f"{path.relative_to(results)}: {place}"
    other = generator.choice(records(results))
    some = bytearray(content or b"\0")
    some[generator.randrange(len(some))] ^= 1 << generator.randrange(8)
    path.write_bytes(
        {
            "cut": content[: generator.randrange(len(content) + 1)],
            "zeros": bytes(len(content)),
            "empty": b"",
            "noise": generator.randbytes(len(content)),
            "bit": bytes(some),
            "exchanged": other.read_bytes(),
            "value": content[::-1],
        }[kind]
    )
    return f"{path.relative_to(results)}: {kind} (by {other.relative_to(results)})"


def changed(plain: object, generator: random.Random) -> tuple[str, str]:
    """JSON with one value exchanged or left out, and where."""
    places: list[tuple[object, object, str]] = []

    def walk(value: object, name: str) -> None:
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in inside:
            places.append((value, key, f"{name}.{key}"))
            if isinstance(part, dict | list):
                walk(part, f"{name}.{key}")

    if not isinstance(plain, dict | list) or not plain:
        return "null", "all of it"
    walk(plain, "")
    # Those far up as often as the many that are far down.
    depth = generator.choice(sorted({name.count(".") for _, _, name in places}))
    holder, key, name = generator.choice([p for p in places if p[2].count(".") == depth])
    if isinstance(holder, dict) and generator.random() < 0.2:
        del holder[key]
        return json.dumps(plain), f"without {name}"
    holder[key] = generator.choice(VALUES)
    return json.dumps(plain), f"{name} = {str(holder[key])[:20]}"
