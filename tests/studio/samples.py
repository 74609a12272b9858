"""A small model in three layers, for tests of the studio."""

from __future__ import annotations

from collections.abc import Mapping

from xrm.metadata import review
from xrm.metadata.model import Model, Source

PLATFORM = """\
trait: owned
fields:
  owner: {type: relation, to: user}
---
entity: user
fields: {name: text}
"""
PLUGIN = """\
entity: deal
label: "{name}"
fields:
  name: {type: text, required: true}
  amount: {type: money}
  reason: {type: choice, choices: [price, timing]}
views:
  list: {columns: [name, amount]}
  form: {sections: [{title: Basics, fields: [name, amount]}]}
"""
MACHINE = """\
# What customers run.
entity: machine
label: "{name}"
search: [name, serial]
uses: [owned]
fields:
  name: {type: text, required: true}
  # as on the plate
  serial: {type: text, unique: true}
  bought_on: date
  price: {type: money}
  double: {type: money, formula: "price * 2"}
  parent: {type: relation, to: machine}
unique: [[name, price]]
checks:
  - {when: "price > 0 && name != 'price'", require: "bought_on != null", message: When?, field: price}
workflow:
  states: {new: {}, old: {final: done}}
  transitions:
    retire: {from: new, to: old, ask: [price], set: {price: "price / 2"}}
views:
  list: {columns: [name, price, parent.price], filters: [price], sort: -price}
  form: {sections: [{title: Basics, fields: [name, serial]}, {title: More, fields: [price]}]}
  board: {by: state, sum: price, card: [price]}
"""
ROLES = """\
role: keeper
title: Keeper
grants:
  - {entity: machine, actions: [read]}   # looks only
---
role: guest
grants:
  - {entity: [machine, deal], actions: [read]}
"""


def sources(*files: tuple[str, str], site: Mapping[str, str] | None = None) -> tuple[Source, ...]:
    """Return the model's files, with the site's files in place of its usual ones."""
    own = {"entities/machine.yaml": MACHINE, "entities/roles.yaml": ROLES} if site is None else site
    return (
        Source("people", "people/entities/all.yaml", PLATFORM),
        Source("crm_sales", "crm_sales/entities/deal.yaml", PLUGIN),
        *(Source("site", file, text) for file, text in sorted({**own, **dict(files)}.items())),
    )


def after(before: tuple[Source, ...], texts: Mapping[str, str]) -> tuple[Source, ...]:
    """Return the files after an edit."""
    site = {s.file: s.text for s in before if s.layer == "site"} | dict(texts)
    return sources(site={file: text for file, text in site.items() if text})


def model(of: tuple[Source, ...]) -> Model:
    """Return the model of some files, which must be without fault."""
    found = review(of)
    assert found.valid, [str(issue) for issue in found.issues]
    return found.model
