"""package.yaml: what a package is called, what it needs of a site, and the hash of each of its files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xrm.builtin.packages.archive import MANIFEST
from xrm.errors import Invalid, Issue
from xrm.metadata.compose import compose
from xrm.metadata.layout import scalar
from xrm.metadata.model import Source

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEYS = ("package", "title", "version", "requires", "files")
_REQUIRES = ("xrm", "plugins", "entities", "traits", "roles", "field_types")


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there for a package to work.

    Attributes:
        xrm: The version of xrm it was made with.
        plugins: Name → version.
        entities: Names of entities it adds to, or points to.
        traits: Names of traits it uses.
        roles: Names of roles it mentions.
        field_types: Types of its fields.
    """

    xrm: str = ""
    plugins: Mapping[str, str] = field(default_factory=dict)
    entities: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    field_types: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "xrm": self.xrm,
            "plugins": dict(self.plugins),
            "entities": list(self.entities),
            "traits": list(self.traits),
            "roles": list(self.roles),
            "field_types": list(self.field_types),
        }


@dataclass(frozen=True, slots=True)
class Package:
    """Definitions on their way from one site to another.

    Attributes:
        name: What it is called.
        title: What people call it.
        version: Of the package.
        needs: What must be there.
        files: Name → text, package.yaml left out.
    """

    name: str
    title: str
    version: str
    needs: Needs
    files: Mapping[str, str]

    def written(self) -> dict[str, str]:
        """Return all its files, package.yaml among them."""
        return {MANIFEST: _render(self), **dict(sorted(self.files.items()))}


def digest(text: str) -> str:
    """Return the hash of a file's text: SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _render(package: Package) -> str:
    lines = [f"package: {package.name}", f"title: {scalar(package.title)}", f"version: {scalar(package.version)}"]
    lines.append("requires:")
    for key, value in package.needs.to_dict().items():
        if isinstance(value, dict):
            pairs = ", ".join(f"{name}: {scalar(value[name])}" for name in sorted(value))
            lines.append(f"  {key}: {{{pairs}}}")
        else:
            shown = scalar(value) if isinstance(value, str) else f"[{', '.join(sorted(value))}]"
            lines.append(f"  {key}: {shown}")
    lines.append("files:")
    lines += [f"  {scalar(name)}: {digest(package.files[name])}" for name in sorted(package.files)]
    return "\n".join(lines) + "\n"


def read_package(files: Mapping[str, str]) -> Package:
    """Return the package that files (name → text) are.

    Raises:
        Invalid: package.yaml is missing or wrong, or does not tell of exactly these files.
    """
    if MANIFEST not in files:
        raise Invalid(
            "This package is not taken", [Issue(MANIFEST, "required", "A package holds a file package.yaml.")]
        )
    nodes, issues = compose(Source("package", MANIFEST, files[MANIFEST]))
    told: Any = nodes[0].plain() if len(nodes) == 1 and not issues else None
    problems = [*issues, *_problems(told)]
    others = {name: text for name, text in files.items() if name != MANIFEST}
    if not problems:
        problems = list(_hashes(told["files"], others))
    if problems:
        raise Invalid("This package is not taken", problems)
    requires = told.get("requires") or {}
    lists = {key: tuple(requires.get(key) or ()) for key in ("entities", "traits", "roles", "field_types")}
    needs = Needs(str(requires.get("xrm", "")), dict(requires.get("plugins") or {}), **lists)
    return Package(
        told["package"], str(told.get("title", told["package"])), str(told.get("version", "")), needs, others
    )


def _problems(told: Any) -> Iterator[Issue]:
    if not isinstance(told, dict):
        yield Issue(MANIFEST, "wrong_type", "package.yaml must hold one table.")
        return
    for key in told:
        if key not in _KEYS:
            yield Issue(f"{MANIFEST}: {key}", "unknown_key", f"There is no key {key!r}.", f"known: {', '.join(_KEYS)}")
    if not isinstance(told.get("package"), str) or not _NAME.fullmatch(told["package"]):
        yield Issue(f"{MANIFEST}: package", "bad_name", "A package has a name of small letters, digits and _.")
    if not isinstance(told.get("files"), dict):
        yield Issue(f"{MANIFEST}: files", "wrong_type", "`files` must hold name: hash.")
    yield from _requires(told.get("requires") or {})


def _requires(requires: Any) -> Iterator[Issue]:
    place = f"{MANIFEST}: requires"
    if not isinstance(requires, dict):
        yield Issue(place, "wrong_type", "`requires` must be a table.")
        return
    for key, value in requires.items():
        names = value if isinstance(value, list) else list(value or ()) if isinstance(value, dict) else [value]
        wanted = {"xrm": (str, int, float), "plugins": (dict,)}.get(key, (list,))
        if key not in _REQUIRES:
            yield Issue(f"{place}.{key}", "unknown_key", f"There is no key {key!r}.", f"known: {', '.join(_REQUIRES)}")
        elif value is not None and not isinstance(value, wanted):
            yield Issue(f"{place}.{key}", "wrong_type", "This is of another type.")
        elif key != "xrm" and not all(isinstance(name, str) for name in names):
            yield Issue(f"{place}.{key}", "wrong_type", "These must be names.")


def _hashes(told: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[Issue]:
    for name in sorted({*told, *files}):
        if name not in files:
            yield Issue(name, "missing_file", "package.yaml names it, but it is not there.")
        elif name not in told:
            yield Issue(name, "unlisted_file", "It is there, but package.yaml does not name it.")
        elif told[name] != digest(files[name]):
            yield Issue(name, "wrong_hash", "It is not what package.yaml says it is.")
