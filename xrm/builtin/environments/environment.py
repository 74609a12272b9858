"""An environment: the folder and the database of a copy, and where the site keeps note of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from xrm.builtin.environments.copying import SQLITE, beside, copy_database, create_postgres, drop_postgres, is_sqlite
from xrm.errors import Conflict, Invalid, Issue, NotFound
from xrm.kernel.kernel import Kernel
from xrm.metadata.names import did_you_mean
from xrm.settings import Settings

NOTES = Path("var") / "environments"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_PARTS = ("entities", "plugins", "mappings")
_MARK = ".environment"


@dataclass(frozen=True, slots=True)
class Environment:
    """A copy of a site.

    Attributes:
        name: What it is called.
        folder: Its folder.
        database: URL of its database.
        made_at: When, as an ISO time.
        created: Whether its PostgreSQL database was created for it, and goes with it.
        generation: The generation that was in force.
    """

    name: str
    folder: str
    database: str
    made_at: str
    created: bool
    generation: int

    def shown(self) -> dict[str, Any]:
        """Return it as JSON data, without the URL, which may hold a password."""
        return {key: value for key, value in asdict(self).items() if key not in ("database", "created")}


async def fork(kernel: Kernel, name: str, into: Path | None, database: str) -> Environment:
    """Copy a site: its definitions, settings and records; return where it is.

    Args:
        kernel: The site.
        name: What to call the copy.
        into: A folder that is new or empty; None = below var/environments/.
        database: URL of an empty PostgreSQL database, or of a new SQLite file; empty = one is made.

    Raises:
        Invalid: the name cannot be one, or a place is taken.
        Conflict: there is an environment of this name.
        Unavailable: no model is in force, or a database cannot be reached.
    """
    settings = kernel.settings
    if not _NAME.fullmatch(name):
        message = "An environment has a name of small letters, digits and _ (at most 31)."
        raise Invalid("The site was not copied", [Issue("name", "bad_name", message)])
    note = settings.folder / NOTES / f"{name}.json"
    folder = (into or settings.folder / NOTES / name).resolve()
    if note.exists():
        raise Conflict(f"There is an environment {name!r} already: `xrm env drop {name}` makes room.")
    if folder.exists() and any(folder.iterdir()):
        raise Invalid("The site was not copied", [Issue(str(folder), "not_empty", "The folder is not empty.")])
    target = database or _place(settings, folder, name)
    created = not database and not is_sqlite(target)
    made = Environment(name, str(folder), target, kernel.clock().isoformat(), created, kernel.live.generation)
    try:
        if created:
            await create_postgres(settings.database_url, target)
        await copy_database(settings.database_url, target)
        await asyncio.to_thread(_copy_folder, settings, made)
    except BaseException:
        if created:
            await drop_postgres(settings.database_url, target)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    note.parent.mkdir(parents=True, exist_ok=True)
    _private(note, json.dumps(asdict(made), indent=2))
    return made


def _place(settings: Settings, folder: Path, name: str) -> str:
    url = settings.database_url
    return f"{SQLITE}{folder / 'xrm.db'}" if is_sqlite(url) else beside(url, name)


def _copy_folder(settings: Settings, made: Environment) -> None:
    folder = Path(made.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for part in _PARTS:
        if (settings.folder / part).is_dir():
            skipped = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(settings.folder / part, folder / part, ignore=skipped, dirs_exist_ok=True)
    written = settings.folder / "xrm.yaml"
    told = (yaml.safe_load(written.read_text("utf-8")) if written.is_file() else None) or {}
    told |= {"title": f"{settings.title} ({made.name})", "database": made.database, "port": settings.port + 1}
    told.pop("files", None)
    told["outgoing"] = False  # what is tried in a copy is nobody else's business
    _private(folder / "xrm.yaml", yaml.safe_dump(told, sort_keys=False, allow_unicode=True))
    _private(folder / _MARK, made.name)
    copied = replace(settings, folder=folder, database=made.database, files="var/files")
    if settings.files_folder.is_dir():  # contents never change: what comes in while they are copied is not missed
        shutil.copytree(settings.files_folder, copied.files_folder, dirs_exist_ok=True)
    if settings.key_file.is_file():  # without it, nobody could read the encrypted values of the copy
        _private(copied.key_file, settings.key_file.read_text("utf-8"))


def _private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: a URL may hold a password."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def environments(folder: Path) -> list[Environment]:
    """Return the environments of the site in `folder`, by name."""
    notes = sorted((folder / NOTES).glob("*.json"))
    return [Environment(**json.loads(note.read_text("utf-8"))) for note in notes]


async def drop(settings: Settings, name: str) -> Environment:
    """Remove an environment: its folder, and its database when it was made for it.

    Raises:
        NotFound: there is none of this name.
        Unavailable: its database's server cannot be reached.
    """
    known = {each.name: each for each in environments(settings.folder)}
    if name not in known:
        raise NotFound(f"There is no environment {name!r}.", hint=did_you_mean(name, known))
    gone = known[name]
    if gone.created:
        await drop_postgres(settings.database_url, gone.database)
    mark = Path(gone.folder) / _MARK
    if mark.is_file() and mark.read_text("utf-8") == name:  # never a folder that is something else by now
        shutil.rmtree(gone.folder)
    (settings.folder / NOTES / f"{name}.json").unlink()
    return gone
