"""Knative's ConfigMaps with their examples: every key, what it means and its default stand in `_example`."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import Any

from knet.text import templates, yaml

EXAMPLE = "_example"
CHECKSUM = "knative.dev/example-checksum"
_BANNER = """\
################################################################
#                                                              #
#  An example: nothing below is read. Copy a key to `data`,    #
#  beside `_example`, to change it; what is not there has the  #
#  value shown here.                                           #
#                                                              #
################################################################
"""


def checksum(example: str) -> str:
    """What stands in the annotation, so that an edit of the example (which would do nothing) is noticed."""
    return f"{binascii.crc32(example.strip().encode()):08x}"


def keys() -> dict[str, dict[str, dict[str, Any]]]:
    """By ConfigMap and key: its default (`is`; None: none) and what it `means`."""
    found: dict[str, dict[str, dict[str, Any]]] = yaml.load_all(
        templates.render("install/configmaps.yaml").encode()
    )[0].data
    return found


def example(entries: dict[str, dict[str, Any]]) -> str:
    """The text of `_example`."""
    return _BANNER + "".join(_entry(key, entry) for key, entry in entries.items())


def _entry(key: str, entry: dict[str, Any]) -> str:
    words = "".join(f"# {line}\n" for line in _wrapped(str(entry["means"])))
    value = entry.get("is")
    if value is None:
        return f"\n{words}# {key}: {entry.get('like', '')}\n"
    if "\n" in value:
        block = "".join(f"  {line}\n" for line in value.rstrip("\n").split("\n"))
        return f"\n{words}{key}: |\n{block}"
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'\n{words}{key}: "{quoted}"\n'


def _wrapped(text: str, width: int = 76) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line
