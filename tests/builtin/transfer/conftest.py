from __future__ import annotations

import pytest

from xrm.metadata.merge import build
from xrm.metadata.model import Source
from xrm.testing import make_site

PEOPLE = """
entity: company
fields:
  number: {type: text, unique: true, max: 20}
  name: {type: text, max: 40}
  kind: {type: choice, choices: [{name: big, title: Big one}, {name: small}], default: small}
  tags: {type: tags}
  sorts: {type: choices, choices: {a: First, b: Second}}
  turnover: {type: money}
  share: {type: percent, min: 0, max: 100}
  staff: {type: integer}
  weight: {type: decimal, scale: 3}
  active: {type: boolean}
  since: {type: date}
  opens: {type: time}
  seen: {type: datetime}
  data: {type: json}
  parent: {type: relation, to: company, inverse: parts}
  about: {type: relation, to: "*"}
  code: {type: auto_number, number: "C-{000}"}
  double: {type: integer, formula: "staff * 2"}
checks:
  - {require: "name != null", message: A company needs a name., field: name}
label: "{name}"
---
entity: item
fields:
  company: {type: relation, to: company, required: true, inverse: items}
  name: {type: text, required: true}
  price: {type: money}
label: "{name}"
---
role: importer
grants:
  - {entity: company, actions: [read, create, update, import]}
  - {entity: company, actions: [export], rows: {where: "kind == 'small'"}, fields: {read: ["*", "-turnover"]}}
---
role: reader
grants:
  - {entity: company, actions: [read]}
---
role: small_ones
grants:
  - {entity: company, actions: ["*"], rows: {where: "kind == 'small'"}}
"""


@pytest.fixture(scope="session")
def model():
    return build([Source("site", "people.yaml", PEOPLE)])


@pytest.fixture
async def site(tmp_path, database_url):
    async with make_site(tmp_path, database_url, {"entities/people.yaml": PEOPLE}, plugins=()) as made:
        yield made
