"""What the generator yields: records to be made, which name each other by keys, in the order in which to make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """A pointer to a record made earlier: its entity and what the generator calls it."""

    entity: str
    name: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be made: JSON-shaped values as the records door takes them, with a `Key` for each relation.

    A kept draft may be named by every later batch, any other only within its own batch, so that the keys of a million
    records need not be remembered.
    """

    entity: str
    name: str
    values: Mapping[str, Any]
    kept: bool = False

    @property
    def key(self) -> Key:
        """The key others name it by."""
        return Key(self.entity, self.name)


Batch = list[Draft]
