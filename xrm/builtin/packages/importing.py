"""A package → a plan, and then files: nothing that is there is ever overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrm import __version__
from xrm.builtin.packages.manifest import Package
from xrm.errors import Invalid, Issue
from xrm.kernel.kernel import Kernel
from xrm.kernel.migration.plan import Plan
from xrm.metadata.load import read_source
from xrm.metadata.model import Source
from xrm.metadata.names import did_you_mean
from xrm.metadata.types import RULES

SITE = "site"
_PLUGIN = re.compile(r"plugins/([a-z][a-z0-9_]{0,39})/(.*)")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What importing a package would do.

    Attributes:
        package: The package.
        new: Files that would be written: name → text.
        unchanged: Files that are there already, as they are.
        plan: What applying the definitions then would do.
        roles: The roles the package speaks of.
    """

    package: Package
    new: Mapping[str, str]
    unchanged: tuple[str, ...]
    plan: Plan
    roles: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data, without the texts."""
        return {
            "package": self.package.name,
            "title": self.package.title,
            "version": self.package.version,
            "needs": self.package.needs.to_dict(),
            "new": list(self.new),
            "unchanged": list(self.unchanged),
            "roles": list(self.roles),
            "plan": self.plan.to_dict(),
        }


async def prepare(kernel: Kernel, package: Package) -> Arrival:
    """Return what importing a package would do; nothing is written.

    Raises:
        Invalid: the site lacks what the package needs, or has other files or plugins of these names.
        ModelError: the definitions do not fit the site's; each finding names its place.
    """
    folder = kernel.settings.folder
    issues = [*_lacking(kernel, package), *_taken(folder, package), *_own_plugins(kernel, package)]
    if issues:
        raise Invalid(f"The package {package.name!r} cannot be imported here", issues)
    new = {name: text for name, text in package.files.items() if not (folder / name).exists()}
    kept = tuple(name for name in package.files if name not in new)
    sources = _sources(kernel, package)
    plan = await kernel.plan(sources)
    roles = sorted({d.name for s in _brought(package) for d in read_source(s).definitions if d.kind == "role"})
    return Arrival(package, new, kept, plan, tuple(roles))


def write(folder: Path, arrival: Arrival) -> None:
    """Write the new files of a package into a site's folder.

    Raises:
        Invalid: one is there by now, or cannot be written; then none is left.
    """
    written: list[Path] = []
    name = ""
    try:
        for name, text in arrival.new.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise Invalid("The package was not written", [Issue(name, "not_written", f"{error.strerror}.")]) from None


def _brought(package: Package) -> Iterator[Source]:
    for name, text in package.files.items():
        plugin = _PLUGIN.fullmatch(name)
        if plugin is None:
            yield Source(SITE, name, text)
        elif plugin[2] != "plugin.yaml":
            yield Source(plugin[1], name.removeprefix("plugins/"), text)


def _sources(kernel: Kernel, package: Package) -> tuple[Source, ...]:
    brought = list(_brought(package))
    everything = kernel.sources([source for source in brought if source.layer == SITE])
    known = {source.layer for source in everything}
    early = [source for source in everything if source.layer != SITE]
    late = [source for source in everything if source.layer == SITE]
    return (*early, *(s for s in brought if s.layer != SITE and s.layer not in known), *late)


def _lacking(kernel: Kernel, package: Package) -> Iterator[Issue]:
    needs = package.needs
    if _number(needs.xrm) > _number(__version__):
        yield Issue("requires.xrm", "older_xrm", f"It was made with xrm {needs.xrm}; this is {__version__}.")
    there = {manifest.name: manifest.version for manifest in kernel.plugins.manifests}
    for name, version in needs.plugins.items():
        if name not in there:
            hint = did_you_mean(name, there) or "install it, and name it in xrm.yaml when plugins are listed there"
            yield Issue(f"requires.plugins.{name}", "missing_plugin", f"It needs the plugin {name!r}.", hint)
        elif _number(str(version)) > _number(there[name]):
            message = f"It needs {name} {version}; here is {there[name] or 'a version without a number'}."
            yield Issue(f"requires.plugins.{name}", "older_plugin", message, "upgrade the plugin")
    model = kernel.read_model(kernel.sources())
    for kind, names, known in (
        ("entities", needs.entities, model.entities),
        ("traits", needs.traits, model.traits),
        ("roles", needs.roles, model.roles),
        ("field_types", needs.field_types, RULES),
    ):
        for name in names:
            if name not in known and not _brings(package, name):
                hint = did_you_mean(name, known)
                yield Issue(f"requires.{kind}.{name}", "missing_definition", f"It needs {name!r}.", hint)


def _brings(package: Package, name: str) -> bool:
    found = [d for source in _brought(package) for d in read_source(source).definitions]
    return any(d.name == name and d.kind != "extends" for d in found)


def _number(version: str) -> tuple[int, ...]:
    """Return a version as numbers: what is compared of 1.2.3rc1 is 1, 2, 3."""
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version)[:3])


def _taken(folder: Path, package: Package) -> Iterator[Issue]:
    here = folder.resolve()
    for name, text in package.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(here):
            yield Issue(name, "outside", "A link here leads out of the site's folder.")
        elif path.is_file() and path.read_text("utf-8", "replace") != text:
            hint = "compare them, and rename or merge yours first"
            yield Issue(name, "file_exists", "The site has another file of this name.", hint)
        elif path.exists() and not path.is_file():
            yield Issue(name, "file_exists", "There is something else of this name.")


def _own_plugins(kernel: Kernel, package: Package) -> Iterator[Issue]:
    folders = {manifest.name: manifest.folder for manifest in kernel.plugins.manifests}
    for name in {match[1] for file in package.files if (match := _PLUGIN.fullmatch(file))}:
        if name in folders and folders[name].parent != kernel.settings.folder / "plugins":
            yield Issue(f"plugins/{name}", "plugin_exists", f"There is a plugin {name!r} already.")
        if f"plugins/{name}/plugin.yaml" not in package.files:
            yield Issue(f"plugins/{name}", "missing_file", "A plugin needs its plugin.yaml.")
