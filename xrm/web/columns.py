"""Columns of lists: which there are, and the table's rows as one generated template per set of columns and generation.

Only identifiers of the model (checked by its grammar) are written into a template's source; titles and every other text
reach it as values and are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, Template

from xrm.kernel.paths import resolve
from xrm.kernel.values import TYPES, all_parts, column_at
from xrm.kernel.visible import readable
from xrm.metadata.model import Entity, Field, View
from xrm.web.show import EMPTY, WITHHELD, Show, short
from xrm.web.visit import PageVisit

FALLBACK = 6  # columns of a list that names none
ALIAS = "label"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list: a field path, the field at its end, and the heading."""

    path: str
    field: Field
    title: str
    sortable: bool
    part: str = ""  # of a compound field, when only that is shown

    @property
    def kind(self) -> str:
        """How the cell is laid out: number, choice, long or text."""
        if self.part:
            return "number" if column_at(self.field, self.part).name in ("int", "decimal") else "text"
        return TYPES[self.field.type].cell


def column(visit: PageVisit, entity: Entity, path: str) -> Column | None:
    """Return the column of a field path, or None when there is no such field for the actor."""
    found = resolve(visit.live.model, entity, tuple(path.split(".")))
    if found is None or not readable(visit.live, visit.actor, entity, found):
        return None
    titles = [relation.title for relation, _ in found.hops] + [found.field.title]
    if found.part:
        part = next(part for part in all_parts(found.field) if part.name == found.part)
        titles.append(part.title or part.name.replace("_", " "))
    sortable = bool(found.part) or _sortable(visit, found.field)
    return Column(path, found.field, ": ".join(titles), sortable, found.part)


def _sortable(visit: PageVisit, field: Field) -> bool:
    if field.type == "relation":
        return not field.polymorphic and visit.may(field.to[0], "read")
    return TYPES[field.type].ordered and field.type != "json"


def columns(visit: PageVisit, entity: Entity, paths: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns of those paths the actor may read."""
    found = (column(visit, entity, path) for path in dict.fromkeys(paths))
    return tuple(c for c in found if c is not None)


def default_columns(visit: PageVisit, entity: Entity, view: View | None) -> tuple[Column, ...]:
    """Return the columns a view names; without a view the first fields that fit into a list."""
    if view is not None and view.columns:
        chosen = columns(visit, entity, view.columns)
        if chosen:
            return chosen
    names = [f.name for f in visit.readable(entity) if not f.system and TYPES[f.type].cell not in ("none", "long")]
    return columns(visit, entity, names[:FALLBACK] or [ALIAS]) or columns(visit, entity, ["id"])


def choosable(visit: PageVisit, entity: Entity) -> tuple[Column, ...]:
    """Return the columns a person may choose from: own fields with their parts first, the system's after them."""
    fields = [f for f in visit.readable(entity) if TYPES[f.type].cell != "none" and f.name not in (ALIAS, "version")]
    own = [path for f in fields if not f.system for path in (f.name, *_parts(f))]
    return columns(visit, entity, own + [f.name for f in fields if f.system])


def _parts(field: Field) -> list[str]:
    """Return the paths of a field's parts that say something by themselves."""
    if field.type in ("relation", "links"):
        return []
    return [f"{field.name}.{part.name}" for part in all_parts(field) if part.written or part.name == "base"]


def rows_template(
    visit: PageVisit, environment: Environment, entity: Entity, shown: tuple[Column, ...], kind: str
) -> Template:
    """Return the template of the rows of a list: kind ``full`` has checkboxes, ``small`` has none."""
    paths = tuple(c.path for c in shown)
    key = ("web", "rows", entity.name, paths, kind)
    made: Template = visit.live.cached(key, lambda: environment.from_string(_source(entity, shown, kind)))
    return made


def cells(show: Show, shown: tuple[Column, ...]) -> Mapping[str, Any]:
    """Return what a rows template needs besides the records."""
    return {
        "fields": [c.field for c in shown],
        "titles": [c.title for c in shown],
        "show": show,
        "empty": EMPTY,
        "withheld": WITHHELD,
        "short": short,
    }


def _source(entity: Entity, shown: tuple[Column, ...], kind: str) -> str:
    pick = (
        '<td role="cell" class="pick"><label class="pick-area">'
        '<input type="checkbox" class="form-check-input" form="bulk" name="id" value="{{ r.id }}">'
        '<span class="visually-hidden">Select {{ r.get("label") or r.id }}</span></label></td>'
        if kind == "full"
        else ""
    )
    body = "".join(_cell(entity, number, shown[number]) for number in range(len(shown)))
    return (
        f'{{% for r in records %}}{{% set m = r.get("_masked", ()) %}}<tr role="row">{pick}{body}</tr>\n{{% endfor %}}'
    )


def _cell(entity: Entity, number: int, shown: Column) -> str:
    value = f'r["{shown.path}"]'
    if number == 0:
        title = f'{_plain(number, shown, value)} or r.get("label") or "(no title)"'
        inner = f'<a class="row-link" href="/e/{entity.name}/{{{{ r.id }}}}">{{{{ {title} }}}}</a>'
    else:
        inner = f"{{{{ {_rich(number, shown, value)} }}}}"
    withheld = f'{{% if "{shown.path.split(".")[0]}" in m %}}{{{{ withheld }}}}{{% else %}}{inner}{{% endif %}}'
    first = " first" if number == 0 else ""
    return f'<td role="cell" class="cell-{shown.kind}{first}" data-label="{{{{ titles[{number}] }}}}">{withheld}</td>'


def _plain(number: int, shown: Column, value: str) -> str:
    if shown.part:
        return f'show.part(fields[{number}], "{shown.part}", {value})'
    as_it_is = shown.field.type in ("text", "long_text", "auto_number")
    return value if as_it_is else f"show.plain(fields[{number}], {value})"


def _rich(number: int, shown: Column, value: str) -> str:
    """Return the expression of a cell; the types most cells have are written out, the rest ask `Show`."""
    if shown.part:
        return f"{_plain(number, shown, value)} or empty"
    if shown.field.type in ("text", "auto_number"):
        return f"{value} or empty"
    if shown.kind == "long":
        return f"short({_plain(number, shown, value)}) if {value} else empty"
    if shown.field.type == "choice":
        return f"show.badge(fields[{number}], {value}) if {value} else empty"
    return f"show.rich(fields[{number}], {value})"
