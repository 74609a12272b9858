"""What the tests of the definitions share: small sites written as text, and what is found in them."""

from __future__ import annotations

from textwrap import dedent

from xrm.metadata import ExpressionCheck, Review, review
from xrm.metadata.model import Entity, Model, Source

PEOPLE = """\
entity: user
fields: {name: text, email: email}
---
entity: unit
fields: {name: text}
---
trait: owned
fields: {owner: {type: relation, to: user, default: $user.id}, unit: {type: relation, to: unit}}
---
entity: party
fields:
  name: text
  email: email
  kind: {type: choice, choices: {person: Person, organisation: Organisation}}
views: {list: {columns: [name, email]}}
"""


def source(text: str, layer: str = "site", file: str = "") -> Source:
    """Return a file of a layer; its name is that of the layer unless given."""
    return Source(layer, file or f"{layer}.yaml", dedent(text))


def reviewed(*sources: Source | str, expressions: ExpressionCheck | None = None) -> Review:
    """Return the review of files; a plain text is a file of the site, which stands on PEOPLE."""
    base = source(PEOPLE, "people")
    return review([base, *(source(s) if isinstance(s, str) else s for s in sources)], expressions)


def found(*sources: Source | str, expressions: ExpressionCheck | None = None) -> list[str]:
    """Return the findings as `file:line:column code`."""
    return [f"{issue.path} {issue.code}" for issue in reviewed(*sources, expressions=expressions).issues]


def hints(*sources: Source | str) -> list[str]:
    """Return the hints of all findings."""
    return [issue.hint for issue in reviewed(*sources).issues]


def model(*sources: Source | str) -> Model:
    """Return the model of files that are expected to be good."""
    result = reviewed(*sources)
    assert not result.issues, [str(issue) for issue in result.issues]
    return result.model


def entity(*sources: Source | str, name: str = "deal") -> Entity:
    """Return one entity of files that are expected to be good."""
    return model(*sources).entities[name]
