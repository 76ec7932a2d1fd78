"""The sample items, and a form of items in which two states of a table can be compared."""

import base64
import json
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "items.json"

Item = dict[str, dict[str, Any]]


def sample_items(table: str) -> list[Item]:
    """The items of one table, as botocore takes and gives them."""
    items = json.loads(SAMPLES.read_text(encoding="utf-8"))[table]
    return [{name: with_bytes(value) for name, value in item.items()} for item in items]


def with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON file holds binary values in base64; those inside of lists and maps are left so."""
    return {"B": base64.b64decode(value["B"])} if "B" in value else value


def normalised(items: list[Item]) -> list[Item]:
    """The items, and the members of their sets, in an order that does not depend on the engine."""
    sorted_inside = [{name: ordered(item[name]) for name in sorted(item)} for item in items]
    return sorted(sorted_inside, key=repr)


def ordered(value: dict[str, Any]) -> dict[str, Any]:
    [(kind, content)] = value.items()
    return {kind: sorted(content) if kind in ("SS", "NS", "BS") else content}
