"""The commands of backups."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from xrm.builtin.backup.archive import BackupInvalid, Manifest
from xrm.builtin.backup.loading import check, copy, restore
from xrm.builtin.backup.saving import save
from xrm.errors import Issue
from xrm.kernel.expression.sqlite_functions import sqlite_functions
from xrm.kernel.hooks import Command
from xrm.kernel.store.store import StoreOptions, open_store

PASSPHRASE = "XRM_BACKUP_PASSPHRASE"  # noqa: S105 - the name of a variable


def _backup_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the new file")
    parser.add_argument("--with-keys", action="store_true", help=f"keep the keys of encrypted fields, by {PASSPHRASE}")


async def _backup(site: Any, args: Namespace) -> int:
    manifest = await save(site.kernel, args.file, version("xrm"), _passphrase(args), _progress)
    _say(f"{args.file}: {_summary(manifest)}")
    for digest in manifest.missing:
        _say(f"  the content {digest[:12]}… is missing or damaged in the site, and is not in the backup")
    if manifest.damaged:
        _say(f"  {manifest.damaged} damaged values are empty in the backup; see `xrm doctor`")
    if not manifest.sealed_keys:
        _say(f"Keep the keys of encrypted fields apart: {site.settings.key_file}, or XRM_SECRET_KEY")
    return 0


def _restore_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="only read the file and say whether it is whole")
    parser.add_argument("--with-keys", action="store_true", help=f"put the keys back, by {PASSPHRASE}")


async def _restore(site: Any, args: Namespace) -> int:
    if args.check:
        _say(f"{args.file} is whole: {_summary(await check(args.file))}")
        return 0
    kernel = site.kernel
    manifest = await restore(kernel.store, site.settings, args.file, _passphrase(args), _progress)
    _say(f"The site is back: {_summary(manifest)}")
    if not args.with_keys:
        _say(f"Encrypted fields need their keys: {site.settings.key_file}, or XRM_SECRET_KEY")
    return 0


def _copy_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--to", required=True, metavar="URL", help="an empty database: sqlite:///file or postgresql://…"
    )


async def _copy(site: Any, args: Namespace) -> int:
    target = open_store(args.to, sqlite_functions(), StoreOptions(synchronous="full"))
    await target.start()
    try:
        sums = await copy(site.kernel.store, site.settings.database_url, target, _progress)
    finally:
        await target.close()
    rows = sum(one.rows for one in sums.values())
    _say(f"{len(sums)} tables with {rows:,} rows are the same there. Set `database` in xrm.yaml, then start the site.")
    return 0


def _passphrase(args: Namespace) -> str:
    given = os.environ.get(PASSPHRASE, "")
    if args.with_keys and len(given) < 12:
        found = Issue(PASSPHRASE, "required", "Set it to a passphrase of at least 12 characters.")
        raise BackupInvalid("The keys need a passphrase.", [found])
    return given if args.with_keys else ""


def _summary(manifest: Manifest) -> str:
    rows = sum(table.rows for table in manifest.tables.values())
    size = sum(manifest.files.values())
    return (
        f"{manifest.title}, generation {manifest.generation}, of {manifest.made_at[:16]}: {len(manifest.tables)} tables"
        f" with {rows:,} rows, {len(manifest.files):,} files ({size:,} bytes)"
    )


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}")


def _say(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    sys.stdout.write(f"{text}\n")


COMMANDS = (
    Command("backup", "write the whole site into one file, while it is in use", _backup, _backup_arguments),
    Command("restore", "put a backup back into an empty site, or check one", _restore, _restore_arguments, empty=True),
    Command("copy", "copy the database into an empty one, also of the other kind", _copy, _copy_arguments),
)
