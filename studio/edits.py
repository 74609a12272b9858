"""Edits: what a person wants of the model → new texts of the site's files. Pure.

What the site says of an entity of its own stands in that entity's file; what it says of one that a plugin defines goes
into an ``extends:`` definition, so that an upgrade of the plugin never loses it. Every function returns the texts that
change, by file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from studio.draft import SITE
from xrm.errors import Issue, ModelError
from xrm.metadata.load import Definition, read_source
from xrm.metadata.model import Source
from xrm.metadata.names import RESERVED_ENTITIES, RESERVED_FIELDS, RESERVED_PREFIXES, SYSTEM_FIELDS
from xrm.metadata.nodes import Path
from xrm.metadata.write import Edit, Remove, Rename, Set, add, render, reorder, update

FOLDER = "entities/"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Home:
    """Where the site says something of a thing: the file, what kind of definition, and what it says by now."""

    file: str
    kind: str
    text: str = ""
    data: Mapping[str, Any] | None = None  # None: it says nothing yet


@lru_cache(maxsize=512)
def definitions(source: Source) -> tuple[Definition, ...]:
    """Return what can be read of a file; kept, since most files stay as they are from edit to edit."""
    return tuple(read_source(source).definitions)


def home(sources: Sequence[Source], name: str) -> Home:
    """Return where the site says something of the entity called `name`, or would."""
    site = [source for source in sources if source.layer == SITE]
    for source in site:
        for found in definitions(source):
            if found.name == name and found.kind in ("entity", "extends"):
                return Home(source.file, found.kind, source.text, found.data)
    defined = any(d.name == name and d.kind == "entity" for s in sources if s.layer != SITE for d in definitions(s))
    file = f"{FOLDER}{name}.yaml"
    text = next((source.text for source in site if source.file == file), "")
    return Home(file, "extends" if defined else "entity", text)


def change(sources: Sequence[Source], name: str, edits: Sequence[Edit]) -> Texts:
    """Return the files after edits to what the site says of an entity.

    Raises:
        ModelError: There is nothing at the path of an edit.
    """
    place = home(sources, name)
    text = place.text if place.data is not None else add(place.text, {place.kind: name})
    for edit in edits:
        text = update(text, [edit], name)
        if isinstance(edit, Remove):
            text = _pruned(text, edit.path[:-1], name)
    data = _data(text, name, place.kind)
    if place.kind == "extends" and set(data) == {"extends"}:
        text = _without(text, name)
    return {place.file: text}


def put(sources: Sequence[Source], name: str, path: Path, value: Any, default: Any = None) -> Texts:
    """Return the files after a property got a value; one that says nothing more than its default is not written.

    Args:
        sources: The files.
        name: The entity.
        path: Where the property is in its definition.
        value: What it shall be; None, or an empty text or list, takes it away.
        default: What it is without being written, in an entity of the site's own.
    """
    place = home(sources, name)
    if value in (None, "", [], {}) or (place.kind == "entity" and value == default):
        return change(sources, name, [Remove(path)]) if said(place.data, path) is not None else {}
    return change(sources, name, [Set(path, value)])


def said(data: Any, path: Path) -> Any:
    """Return what a definition says at a path, or None."""
    for step in path:
        found: Any = dict(enumerate(data)) if isinstance(data, list) else data
        if not isinstance(found, Mapping) or step not in found:
            return None
        data = found[step]
    return data


def _data(text: str, name: str, kind: str) -> Mapping[str, Any]:
    found = next(d for d in definitions(Source(SITE, "", text)) if d.name == name and d.kind == kind)
    data: Mapping[str, Any] = found.data
    return data


def _pruned(text: str, path: Path, name: str) -> str:
    """Return the text without tables and lists that became empty."""
    while path:
        whole = next(d.data for d in definitions(Source(SITE, "", text)) if d.name == name)
        if said(whole, path) not in ({}, []) or (path == ("fields",) and "entity" in whole):
            return text  # an entity says that it has fields, even none
        text = update(text, [Remove(path)], name)
        path = path[:-1]
    return text


def _without(text: str, name: str) -> str:
    """Return a file's text without one of its definitions."""
    parts = re.split(r"(?m)^---[ \t]*\n", text)
    kept = [part for part in parts if not any(d.name == name for d in definitions(Source(SITE, "", part)))]
    return "---\n".join(kept) if any(part.strip() for part in kept) else ""


# --- names ----------------------------------------------------------------------------------------------------------


def name_of(title: str) -> str:
    """Return the name a title suggests: ``Bought on`` → ``bought_on``; empty when it suggests none."""
    plain = unicodedata.normalize("NFKD", title.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].lstrip("0123456789_")


def check_name(name: str, taken: Sequence[str], kind: str) -> None:
    """Refuse a name that cannot be one.

    Args:
        name: What somebody wants to call it.
        taken: The names of its siblings.
        kind: ``entity`` or ``field``.

    Raises:
        ModelError: It is no identifier, reserved, or taken.
    """
    message = ""
    if not _NAME.fullmatch(name):
        message = "A name begins with a small letter and has only small letters, digits and _ (at most 40)."
    elif name in taken:
        message = f"The name {name!r} is taken by another {kind}."
    elif kind == "field" and (name in SYSTEM_FIELDS or name in RESERVED_FIELDS):
        message = f"{name!r} is kept by the platform itself."
    elif kind == "entity" and (name in RESERVED_ENTITIES or name.startswith(RESERVED_PREFIXES)):
        message = f"{name!r} is reserved."
    if message:
        raise ModelError(message, [Issue("name", "bad_name", message)])


# --- entities -------------------------------------------------------------------------------------------------------


def new_entity(sources: Sequence[Source], data: Mapping[str, Any]) -> Texts:
    """Return the file of a new entity.

    Raises:
        ModelError: Its name cannot be one, or is taken.
    """
    name = str(data["entity"])
    taken = [d.name for s in sources for d in definitions(s) if d.kind == "entity"]
    check_name(name, taken, "entity")
    file = f"{FOLDER}{name}.yaml"
    text = next((s.text for s in sources if s.layer == SITE and s.file == file), "")
    return {file: add(text, data) if text else render(data)}


def remove_entity(sources: Sequence[Source], name: str, *, applied: bool) -> Texts:
    """Return the files without an entity of the site's own.

    One that was `applied` is marked with ``removed: true``, so that its records go by a step somebody consents to;
    one that never was leaves no trace, roles included.
    """
    place = home(sources, name)
    if applied:
        return change(sources, name, [Set(("removed",), value=True)])
    return {place.file: _without(place.text, name)} | _without_grants(sources, name)


def _without_grants(sources: Sequence[Source], entity: str) -> Texts:
    texts: Texts = {}
    for source in sources:
        if source.layer != SITE:
            continue
        text = source.text
        for role in (d for d in definitions(source) if d.kind == "role"):
            for number, found in reversed(list(enumerate(role.data.get("grants", ())))):
                if found["entity"] in (entity, [entity]):
                    text = update(text, [Remove(("grants", number))], role.name)
            if text != source.text and not _data(text, role.name, "role").get("grants"):
                text = _pruned(text, ("grants",), role.name)
                text = _without(text, role.name) if set(_data(text, role.name, "role")) == {"role"} else text
        if text != source.text:
            texts[source.file] = text
    return texts


# --- fields ---------------------------------------------------------------------------------------------------------


def add_field(sources: Sequence[Source], entity: str, name: str, data: Mapping[str, Any]) -> Texts:
    """Return the files with one more field.

    Raises:
        ModelError: Its name cannot be one, or the site's definition has it already.
    """
    own = home(sources, entity).data or {}
    check_name(name, list(own.get("fields", {})), "field")
    return change(sources, entity, [Set(("fields", name), dict(data))])


def move_fields(sources: Sequence[Source], entity: str, names: Sequence[str]) -> Texts:
    """Return the files with the fields that the site defines in the order of `names`.

    Raises:
        ModelError: These are not the fields.
    """
    place = home(sources, entity)
    return {place.file: reorder(place.text, ("fields",), names, entity)}


def remove_field(sources: Sequence[Source], entity: str, name: str, *, applied: bool) -> Texts:
    """Return the files without a field; one that was `applied` is marked, so that its values go by consent only."""
    if applied:
        return change(sources, entity, [Set(("fields", name, "removed"), value=True)])
    return change(sources, entity, [Remove(("fields", name)), *_unplaced(sources, entity, name)])


def _unplaced(sources: Sequence[Source], entity: str, field: str) -> list[Edit]:
    """Return the edits that take a field out of the lists that name it."""
    own = home(sources, entity).data or {}
    edits: list[Edit] = []
    for path, names in named_in_lists(own):
        if field in names:
            kept = [name for name in names if name != field]
            edits.append(Set(path, kept) if kept or path[-1] == "fields" else Remove(path))
    return edits


def named_in_lists(own: Mapping[str, Any]) -> list[tuple[Path, list[str]]]:
    """Return the lists of field names in an entity's definition, each with its path."""
    found: list[tuple[Path, list[str]]] = []
    if own.get("search"):
        found.append((("search",), own["search"]))
    for view, data in own.get("views", {}).items():
        found += [(("views", view, key), data[key]) for key in ("columns", "filters", "card") if data.get(key)]
        for number, section in enumerate(data.get("sections", ())):
            found.append((("views", view, "sections", number, "fields"), section["fields"]))
    for move, data in own.get("workflow", {}).get("transitions", {}).items():
        if data.get("ask"):
            found.append((("workflow", "transitions", move, "ask"), data["ask"]))
    return found


def rename_field(sources: Sequence[Source], entity: str, old: str, new: str, applied: str = "") -> Texts:
    """Return the files with a field under another name, its places in the entity's own definition included.

    Args:
        sources: The files.
        entity: Whose field.
        old: Its name.
        new: Its name from now on.
        applied: The name under which the database knows it; empty = it does not yet. Its values stay.

    Raises:
        ModelError: The new name cannot be one, or the site does not define the field.
    """
    own = home(sources, entity).data or {}
    check_name(new, list(own.get("fields", {})), "field")
    edits: list[Edit] = [Rename(("fields", old), new)]
    if applied and applied != new:
        edits.append(Set(("fields", new, "was"), applied))
    elif isinstance(own["fields"].get(old), dict) and "was" in own["fields"][old]:
        edits.append(Remove(("fields", new, "was")))
    renamed = _Renaming(own, entity, old, new).of(own)
    edits += [Set((key,), renamed[key]) for key in own if key != "fields" and renamed[key] != own[key]]
    for name, data in own["fields"].items():
        changed = renamed["fields"][name]
        if changed != data and name != old:
            edits.append(Set(("fields", name), changed))
    return change(sources, entity, edits)


_EXPRESSIONS = frozenset({"formula", "guard", "when", "require", "filter", "where"})
_NAMING = frozenset(
    {
        *("search", "unique", "indexes", "columns", "filters", "card", "sort", "by", "sum", "ask", "field", "fields"),
        *("of", "rate_date", "depends_on"),
    }
)
_OF_LISTED = frozenset({"where", "field"})
_QUOTED = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""


class _Renaming:
    """One field of an entity gets another name in all that the entity's definition says.

    Args:
        own: The definition.
        entity: The entity's name: paths through relations to itself are followed.
        old: The field's name.
        new: Its name from now on.
    """

    def __init__(self, own: Mapping[str, Any], entity: str, old: str, new: str) -> None:
        self.old, self.new = old, new
        inward = [n for n, f in own["fields"].items() if isinstance(f, dict) and f.get("to") in (entity, [entity])]
        through = rf"(?:(?:{'|'.join(inward)})\.)*" if inward else ""
        self._path = re.compile(rf"^([+-]?{through}){old}(?=\.|$)")
        self._token = re.compile(rf"{_QUOTED}|(?<![\w.])({through}){old}(?!\w)")
        self._label = re.compile(rf"(?<![\w.]){old}(?!\w)")

    def of(self, data: Any, way: Path = ()) -> Any:
        """Return a part of the definition with the new name; `way` is where it is."""
        if isinstance(data, dict):
            names = way[-1:] == ("set",)  # field → expression
            named = names or (way[:1] == ("record_types",) and way[-1] in ("choices", "defaults"))
            keys = {k: self.new if named and k == self.old else k for k in data}
            return {keys[k]: self.of(v, (*way, "formula" if names else k)) for k, v in data.items()}
        if isinstance(data, list):
            return [self.of(item, way) for item in data]
        return self._text(data, way) if isinstance(data, str) else data

    def _text(self, text: str, way: Path) -> str:
        key = way[-1] if way else ""
        if (way[0] == "fields" and key in _OF_LISTED) or (way[0] in ("fields", "record_types") and "choices" in way):
            return text  # about the records a rollup sums up; a choice's `when` names choices
        if key in _EXPRESSIONS:
            return self._expression(text)
        if key == "label":
            return re.sub(r"\{[^}]*\}", lambda match: self._label.sub(self.new, match[0]), text)
        if key == "open":
            return re.sub(r"\{[^{}]*\}", lambda match: self._expression(match[0]), text)
        naming = key in _NAMING or (way[0] == "record_types" and key in ("hidden", "required"))
        return self._path.sub(rf"\g<1>{self.new}", text) if naming else text

    def _expression(self, text: str) -> str:
        return self._token.sub(lambda match: match[1] or f"{match[2]}{self.new}", text)


# --- roles ----------------------------------------------------------------------------------------------------------


def grant(sources: Sequence[Source], role: str, data: Mapping[str, Any]) -> Texts:
    """Return the files with one more grant of a role, in the site's own definition of it."""
    for source in sources:
        if source.layer == SITE:
            for found in definitions(source):
                if found.kind == "role" and found.name == role:
                    number = len(found.data.get("grants", ()))
                    edit = Set(("grants", number), dict(data)) if number else Set(("grants",), [dict(data)])
                    return {source.file: update(source.text, [edit], role)}
    file = f"{FOLDER}roles/{role}.yaml"
    text = next((s.text for s in sources if s.layer == SITE and s.file == file), "")
    return {file: add(text, {"role": role, "grants": [dict(data)]})}
