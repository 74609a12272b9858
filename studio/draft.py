"""Draft: the definition files one person has changed and not applied yet, kept in a file of the site.

A change remembers what the file held when it was first touched, so that an edit somebody else made in the meantime
is noticed instead of overwritten.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from xrm.metadata.model import Source

SITE = "site"
MAX_PAST = 30  # how many edits can be taken back


@dataclass(frozen=True, slots=True)
class Change:
    """One changed file.

    Attributes:
        text: What it shall hold; empty = it shall go.
        before: What it held when it was first changed; empty = it was not there.
    """

    text: str
    before: str


@dataclass(frozen=True, slots=True)
class Draft:
    """Changed files by name, and the drafts before the last edits, the latest one last."""

    files: Mapping[str, Change] = field(default_factory=dict)
    past: tuple[Mapping[str, Change], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files)

    @property
    def texts(self) -> dict[str, str]:
        """What the changed files shall hold."""
        return {file: change.text for file, change in self.files.items()}

    def edited(self, texts: Mapping[str, str], sources: Iterable[Source]) -> Draft:
        """Return the draft after one edit.

        Args:
            texts: What files shall hold now; empty = the file shall go.
            sources: The site's files as they are on disk.
        """
        disk = {source.file: source.text for source in sources if source.layer == SITE}
        files = dict(self.files)
        for file, text in texts.items():
            before = files[file].before if file in files else disk.get(file, "")
            files[file] = Change(text, before)
            if text == before:
                del files[file]
        return self if files == self.files else Draft(files, (*self.past, self.files)[-MAX_PAST:])

    def undone(self) -> Draft:
        """Return the draft before the last edit."""
        return Draft(self.past[-1], self.past[:-1]) if self.past else self

    def based_on(self, sources: Iterable[Source]) -> Draft:
        """Return the draft as one that means to replace what is on disk now."""
        disk = {source.file: source.text for source in sources if source.layer == SITE}
        files = {name: Change(change.text, disk.get(name, "")) for name, change in self.files.items()}
        return replace(self, files={n: c for n, c in files.items() if c.text != c.before}, past=())

    def moved(self, sources: Iterable[Source]) -> tuple[str, ...]:
        """Return the files that somebody else changed since they were first touched here."""
        disk = {source.file: source.text for source in sources if source.layer == SITE}
        return tuple(name for name, change in self.files.items() if disk.get(name, "") != change.before)

    def over(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """Return the files of all layers with the draft's in place of those on disk."""
        site = {source.file: source for source in sources if source.layer == SITE}
        site |= {file: Source(SITE, file, change.text) for file, change in self.files.items()}
        own = (site[file] for file in sorted(site) if site[file].text.strip())
        return (*(source for source in sources if source.layer != SITE), *own)


def draft_file(folder: Path, user: UUID) -> Path:
    """Return where a user's draft is kept in a site's folder."""
    return folder / "var" / "studio" / f"{user}.json"


def load(path: Path) -> Draft:
    """Return the draft kept in a file; one that is not there, or cannot be read, is an empty one."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return Draft(_files(data["files"]), tuple(_files(files) for files in data["past"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Draft()


def save(path: Path, draft: Draft) -> None:
    """Keep a draft in a file, by one rename; an empty one without a past needs no file."""
    if not draft.files and not draft.past:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"files": _plain(draft.files), "past": [_plain(files) for files in draft.past]}
    beside = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
    beside.write_text(json.dumps(data, ensure_ascii=False), "utf-8")
    beside.replace(path)


def _files(data: Mapping[str, Any]) -> dict[str, Change]:
    return {file: Change(str(change["text"]), str(change["before"])) for file, change in data.items()}


def _plain(files: Mapping[str, Change]) -> dict[str, dict[str, str]]:
    return {file: {"text": change.text, "before": change.before} for file, change in files.items()}
