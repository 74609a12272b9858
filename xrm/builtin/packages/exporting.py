"""A site's definitions → a package, and a report of what it holds, what it needs and what was left out, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xrm import __version__
from xrm.builtin.packages.manifest import Needs, Package
from xrm.errors import Invalid, Issue
from xrm.kernel.kernel import BUILTIN, Kernel
from xrm.kernel.plugins import Manifest
from xrm.metadata.load import Definition, read_source
from xrm.metadata.model import Model, Source
from xrm.metadata.names import did_you_mean
from xrm.metadata.normal import bare
from xrm.metadata.write import render

SITE = "site"
_LONGEST = 120
_LEFT_OUT = (
    ("records", "a package holds definitions only; `xrm export` writes records"),
    ("users, passwords, sessions and API keys", "secrets never leave a site"),
    ("xrm.yaml", "settings are of one site"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to export: everything of one layer, or of it only what is about some entities.

    Attributes:
        layer: ``site``, or the name of a plugin.
        entities: Names; empty = all there is.
    """

    layer: str = SITE
    entities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What a package is called."""

    name: str
    title: str = ""
    version: str = "1.0.0"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of everything a site is made of.

    Attributes:
        exported: File, kind and name of every definition in the package.
        foreign: Entities it adds to or points to that another layer owns: name → layer.
        needs: What must be there where it is imported.
        excluded: What was left out, and why.
    """

    exported: tuple[tuple[str, str, str], ...]
    foreign: Mapping[str, str]
    needs: Needs
    excluded: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "exported": [{"file": file, "kind": kind, "name": name} for file, kind, name in self.exported],
            "foreign": [{"entity": name, "layer": layer} for name, layer in self.foreign.items()],
            "needs": self.needs.to_dict(),
            "excluded": [{"what": what, "reason": reason} for what, reason in self.excluded],
        }


def export_package(kernel: Kernel, choice: Choice, label: Label) -> tuple[Package, Coverage]:
    """Return a package of definitions as they are on disk, and its report.

    Raises:
        Invalid: there is no such layer or entity, or nothing to export.
        ModelError: the definitions are not valid.
    """
    _named(label)
    sources = kernel.sources()
    model = kernel.read_model(sources)
    own = [source for source in sources if source.layer == choice.layer]
    _known(kernel, model, choice)
    parts = [part for source in own for part in _parts(source)]
    chosen = _chosen(parts, choice)
    if not chosen:
        raise Invalid("There is nothing to export", [_nothing(choice)])
    files = _files(own, parts, chosen, choice)
    manifest = next((m for m in kernel.plugins.manifests if m.name == choice.layer), None)
    if manifest is not None:
        files[f"plugins/{manifest.name}/plugin.yaml"] = (manifest.folder / "plugin.yaml").read_text("utf-8")
    needs = _needs(kernel, model, chosen)
    owners = {name: model.entities[name].origin.layer for name in needs.entities if name in model.entities}
    exported = tuple((_name_in_package(part.file, choice), part.kind, part.name) for part in chosen)
    excluded = (*_LEFT_OUT, *_excluded(parts, chosen), *_code(manifest), *_layers(sources, choice))
    package = Package(label.name, label.title or label.name, label.version, needs, files)
    return package, Coverage(exported, owners, needs, excluded)


def _named(label: Label) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", label.name):
        message = "A package has a name of small letters, digits and _ (at most 40)."
        raise Invalid("This cannot be exported", [Issue("name", "bad_name", message)])
    for key, text in (("title", label.title), ("version", label.version)):
        if len(text) > _LONGEST or not text.isprintable():
            message = f"This is at most {_LONGEST} characters on one line."
            raise Invalid("This cannot be exported", [Issue(key, "bad_text", message)])


@dataclass(frozen=True, slots=True)
class _Part:
    """One definition of a file."""

    file: str
    kind: str
    name: str
    data: Mapping[str, Any]
    text: str


def _parts(source: Source) -> Iterator[_Part]:
    """Yield the definitions of a file, each with its own text."""
    found = list(read_source(source).definitions)
    pieces = re.split(r"(?m)^---[ \t]*\n", source.text)
    whole = [_definitions(source, piece) for piece in pieces]
    separate = [len(each) for each in whole if each] == [1] * len(found)
    texts = [piece for piece, each in zip(pieces, whole, strict=True) if each]
    for number, definition in enumerate(found):
        text = texts[number] if separate else render(definition.data)
        yield _Part(source.file, definition.kind, definition.name, definition.data, text)


def _definitions(source: Source, text: str) -> list[Definition]:
    return read_source(Source(source.layer, source.file, text)).definitions


def _known(kernel: Kernel, model: Model, choice: Choice) -> None:
    layers = [SITE, *(manifest.name for manifest in kernel.plugins.manifests)]
    issues = []
    if choice.layer not in layers:
        hint = did_you_mean(choice.layer, layers)
        issues.append(Issue("layer", "unknown_layer", f"There is no layer {choice.layer!r}.", hint))
    for name in choice.entities:
        if name not in model.entities:
            hint = did_you_mean(name, model.entities)
            issues.append(Issue("entities", "unknown_entity", f"There is no entity {name!r}.", hint))
    if issues:
        raise Invalid("This cannot be exported", issues)


def _nothing(choice: Choice) -> Issue:
    what = f" about {', '.join(choice.entities)}" if choice.entities else ""
    return Issue("entities", "nothing_to_export", f"The layer {choice.layer!r} says nothing{what}.")


def _chosen(parts: Sequence[_Part], choice: Choice) -> list[_Part]:
    """Return the definitions asked for, with the traits of the same layer that they use."""
    if not choice.entities:
        return list(parts)
    about = [part for part in parts if part.kind in ("entity", "extends") and part.name in choice.entities]
    traits = {trait for part in about for trait in _uses(part)}
    return [part for part in parts if part in about or (part.kind == "trait" and part.name in traits)]


def _uses(part: _Part) -> list[str]:
    return [bare(name) for name in part.data.get("uses", ()) if not name.startswith("-")]


def _files(own: Sequence[Source], parts: Sequence[_Part], chosen: Sequence[_Part], choice: Choice) -> dict[str, str]:
    """Return the files: as they are where all of them is asked for, else only the parts that are."""
    files: dict[str, str] = {}
    for source in own:
        kept = [part for part in chosen if part.file == source.file]
        whole = len(kept) == sum(part.file == source.file for part in parts)
        if kept:
            text = source.text if whole else "---\n".join(f"{part.text.rstrip()}\n" for part in kept)
            files[_name_in_package(source.file, choice)] = text
    return files


def _name_in_package(file: str, choice: Choice) -> str:
    return file if choice.layer == SITE else f"plugins/{file}"


def _needs(kernel: Kernel, model: Model, chosen: Sequence[_Part]) -> Needs:
    own = {(part.kind, part.name) for part in chosen}
    mentioned: dict[str, set[str]] = {"entity": set(), "trait": set(), "role": set(), "type": set()}
    for part in chosen:
        for kind, name in _mentions(part):
            mentioned[kind].add(name)
    entities = {name for name in mentioned["entity"] if ("entity", name) not in own}
    traits = {name for name in mentioned["trait"] if ("trait", name) not in own}
    roles = {name for name in mentioned["role"] if ("role", name) not in own}
    owners = {model.entities[name].origin.layer for name in entities if name in model.entities}
    owners |= {model.traits[name].origin.layer for name in traits if name in model.traits}
    owners |= {model.roles[name].origin.layer for name in roles if name in model.roles}
    plugins = {
        manifest.name: manifest.version
        for manifest in kernel.plugins.manifests
        if manifest.name in owners and manifest.folder.parent != BUILTIN
    }
    lists = (tuple(sorted(names)) for names in (entities, traits, roles, mentioned["type"]))
    return Needs(__version__, plugins, *lists)


def _mentions(part: _Part) -> Iterator[tuple[str, str]]:
    """Yield kind and name of everything a definition refers to."""
    if part.kind == "extends":
        yield "entity", part.name
    yield from (("trait", name) for name in _uses(part))
    for field in part.data.get("fields", {}).values():
        table = field if isinstance(field, dict) else {"type": field}
        if "type" in table:
            yield "type", table["type"]
        yield from (("entity", bare(name)) for name in _listed(table.get("to")) if name != "*")
    for move in part.data.get("workflow", {}).get("transitions", {}).values():
        yield from (("role", bare(name)) for name in _listed(move.get("roles")))
    for grant in part.data.get("grants", ()):
        yield from (("entity", name) for name in _listed(grant.get("entity")) if name != "*")


def _listed(value: Any) -> list[str]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _excluded(parts: Sequence[_Part], chosen: Sequence[_Part]) -> Iterator[tuple[str, str]]:
    for part in parts:
        if part not in chosen:
            reason = "roles go with the whole layer only" if part.kind == "role" else "it was not asked for"
            yield f"{part.kind} {part.name} ({part.file})", reason


def _code(manifest: Manifest | None) -> Iterator[tuple[str, str]]:
    if manifest is not None:
        for path in sorted(manifest.folder.rglob("*.py")):
            name = path.relative_to(manifest.folder).as_posix()
            yield f"plugins/{manifest.name}/{name}", "code is installed, never imported"


def _layers(sources: Sequence[Source], choice: Choice) -> Iterator[tuple[str, str]]:
    for layer in dict.fromkeys(source.layer for source in sources if source.layer != choice.layer):
        yield f"layer {layer}", "another layer; what is needed of it is named"
