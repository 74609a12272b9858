"""Find, order and register plugins: builtin ones, installed ones (entry points ``xrm.plugins``), and plugins/ folders.

A plugin is a folder with ``plugin.yaml``; ``entities/`` (definitions) and ``__init__.py`` (hooks) are optional.
A plugin that is broken is reported as an Issue and left out, with those that require it; it is never half loaded.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import yaml

from xrm.errors import Issue
from xrm.kernel.hooks import Specs
from xrm.kernel.values import register
from xrm.metadata.load import read_layer
from xrm.metadata.model import Source

NAMESPACE = "xrm_plugins"
_KEYS = {"plugin", "title", "version", "description", "requires", "settings", "quality"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What plugin.yaml says."""

    name: str
    folder: Path
    title: str = ""
    version: str = ""
    description: str = ""
    requires: tuple[str, ...] = ()
    module: str = ""  # import name; empty = load from the folder


@dataclass(frozen=True)
class Plugins:
    """The plugins of a site, in the order in which they build upon each other."""

    manifests: tuple[Manifest, ...]
    manager: pluggy.PluginManager
    issues: tuple[Issue, ...] = ()
    modules: dict[str, ModuleType] = field(default_factory=dict)

    def sources(self) -> Iterator[Source]:
        """Yield the definition files of all plugins, layer by layer."""
        for manifest in self.manifests:
            yield from read_layer(manifest.name, manifest.folder / "entities", f"{manifest.name}/entities/")

    def collect(self, hook: str) -> Sequence[Any]:
        """Return what a registration hook's implementations returned, put together, in order of the plugins."""
        found = getattr(self.manager.hook, hook)()
        return [item for items in reversed(found) for item in items]


def load_plugins(folder: Path, wanted: Sequence[str], builtin: Path) -> Plugins:
    """Load the wanted plugins ("*" = all found) of a site, and all builtin ones.

    Args:
        folder: The site's folder; its ``plugins/`` is searched.
        wanted: Names of plugins.
        builtin: Folder of the builtin ones, which come first.
    """
    issues: list[Issue] = []
    found: dict[str, Manifest] = {}
    places = [*_folders(builtin), *_entry_points(), *_folders(folder / "plugins")]
    for place, module in places:
        is_builtin = place.parent == builtin
        manifest = _manifest(place, f"xrm.builtin.{place.name}" if is_builtin else module, issues)
        if manifest and manifest.name not in found and (is_builtin or "*" in wanted or manifest.name in wanted):
            found[manifest.name] = manifest
    for name in wanted:
        if name != "*" and name not in found:
            issues.append(Issue(f"xrm.yaml: plugins: {name}", "unknown_plugin", f"There is no plugin {name!r}."))
    manager = pluggy.PluginManager("xrm")
    manager.add_hookspecs(Specs)
    modules: dict[str, ModuleType] = {}
    manifests = [m for m in _ordered(found, issues) if _register(m, manager, modules, issues)]
    return Plugins(tuple(manifests), manager, tuple(issues), modules)


def _folders(parent: Path) -> Iterator[tuple[Path, str]]:
    if parent.is_dir():
        yield from ((p, "") for p in sorted(parent.iterdir()) if (p / "plugin.yaml").is_file())


def _entry_points() -> Iterator[tuple[Path, str]]:
    for point in importlib.metadata.entry_points(group="xrm.plugins"):
        spec = importlib.util.find_spec(point.value)
        if spec is not None and spec.origin:
            yield Path(spec.origin).parent, point.value


def _manifest(folder: Path, module: str, issues: list[Issue]) -> Manifest | None:
    path = folder / "plugin.yaml"
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        issues.append(Issue(f"{folder.name}/plugin.yaml", "plugin_unreadable", f"This file cannot be read: {error}"))
        return None
    if not isinstance(data, dict) or data.get("plugin") != folder.name:
        issues.append(
            Issue(
                f"{folder.name}/plugin.yaml",
                "plugin_unnamed",
                "The first line must name the folder.",
                f"plugin: {folder.name}",
            )
        )
        return None
    for key in sorted(set(map(str, data)) - _KEYS):
        issues.append(
            Issue(f"{folder.name}/plugin.yaml", "unknown_key", f"There is no key {key!r}.", severity="warning")
        )
    requires = data.get("requires") or []
    return Manifest(
        folder.name,
        folder,
        str(data.get("title", folder.name)),
        str(data.get("version", "")),
        str(data.get("description", "")),
        tuple(str(r) for r in requires) if isinstance(requires, list) else (),
        module,
    )


def _ordered(found: dict[str, Manifest], issues: list[Issue]) -> Iterable[Manifest]:
    """Return the manifests so that each comes after what it requires; those that lack something are left out."""
    while missing := [m for m in found.values() if not found.keys() >= set(m.requires)]:
        for manifest in missing:
            lacking = ", ".join(sorted(set(manifest.requires) - found.keys()))
            issues.append(
                Issue(f"{manifest.name}/plugin.yaml", "plugin_requires", f"It requires {lacking}, which is not loaded.")
            )
            del found[manifest.name]
    try:
        return [found[n] for n in TopologicalSorter({n: m.requires for n, m in found.items()}).static_order()]
    except CycleError as error:
        names = set(error.args[1])
        issues.append(
            Issue("plugins", "plugin_cycle", f"These plugins require each other: {', '.join(sorted(names))}.")
        )
        return _ordered({n: m for n, m in found.items() if n not in names}, issues)


def _register(
    manifest: Manifest, manager: pluggy.PluginManager, modules: dict[str, ModuleType], issues: list[Issue]
) -> bool:
    if not (manifest.folder / "__init__.py").is_file():
        return True
    try:
        module = importlib.import_module(manifest.module) if manifest.module else _import(manifest)
        manager.register(module, manifest.name)
        manager.check_pending()
        if callable(types_of := getattr(module, "field_types", None)):
            register(*types_of())
    except Exception as error:  # noqa: BLE001  # whatever a plugin's own code raises must not stop the site
        if manager.get_plugin(manifest.name) is not None:
            manager.unregister(name=manifest.name)
        issues.append(Issue(f"{manifest.name}/__init__.py", "plugin_broken", f"{type(error).__name__}: {error}"))
        return False
    modules[manifest.name] = module
    return True


def _import(manifest: Manifest) -> ModuleType:
    """Import a plugin's folder as ``xrm_plugins.<name>``."""
    parent = sys.modules.setdefault(NAMESPACE, types.ModuleType(NAMESPACE))
    parent.__path__ = []
    name = f"{NAMESPACE}.{manifest.name}"
    loaded = sys.modules.get(name)
    if loaded is not None and Path(str(loaded.__file__)).parent == manifest.folder:
        return loaded
    for known in [n for n in sys.modules if n == name or n.startswith(name + ".")]:
        del sys.modules[known]
    spec = importlib.util.spec_from_file_location(
        name, manifest.folder / "__init__.py", submodule_search_locations=[str(manifest.folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{manifest.folder} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
