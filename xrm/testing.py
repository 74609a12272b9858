"""A running site for tests, of xrm and of plugins: real tables, real policy, a clock to set.

async with make_site(tmp_path, "sqlite:///site.db", {"entities/machine.yaml": "entity: machine …"}) as site:
    rep = await site.person("Rep", "sales_rep")
    made = await site.records.create(rep, "machine", {"name": "Lathe"})
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from xrm.builtin.people.accounts import Accounts
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.records import Bound, Records
from xrm.settings import Settings, load_settings
from xrm.site import Site, open_site


@dataclass
class Clock:
    """A clock that stands still until told otherwise."""

    now: datetime = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time it shows."""
        return self.now

    def forward(self, step: timedelta) -> None:
        """Let time pass."""
        self.now += step


@dataclass
class TestSite:
    """A site in a temporary folder.

    Attributes:
        site: As the edges get it.
        kernel: Its kernel.
        accounts: Its accounts.
        clock: Its clock.
        people: The actors made by `person`, by name.
    """

    __test__ = False  # pytest must not take it for a test

    site: Site
    clock: Clock
    people: dict[str, Actor] = field(default_factory=dict)

    @property
    def kernel(self) -> Kernel:
        """The kernel."""
        return self.site.kernel

    @property
    def accounts(self) -> Accounts:
        """Sign-in, sessions and API keys."""
        return self.site.accounts

    @property
    def records(self) -> Records:
        """The records door."""
        return self.kernel.records

    @property
    def system(self) -> Bound:
        """The records door for the system's actor."""
        return self.kernel.records.bound(SYSTEM)

    async def person(self, name: str, *roles: str, team: str = "", unit: str = "") -> Actor:
        """Create a user with roles and return them as an actor; a team or unit is created when it is new."""
        unit_id = UUID((await self._named("unit", unit))["id"]) if unit else None
        email = f"{name.lower().replace(' ', '.')}@example.com"
        user = await self.system.create(
            "user",
            {
                "name": name,
                "email": email,
                "roles": list(roles),
                "unit": str(unit_id) if unit_id else None,
            },
        )
        teams: tuple[UUID, ...] = ()
        if team:
            group = await self._named("team", team)
            await self.system.create("team_member", {"team": group["id"], "member": user["id"]})
            teams = (UUID(group["id"]),)
        id = UUID(user["id"])
        actor = Actor(id, name, frozenset(roles), user={"id": id, "email": email, "unit": unit_id, "teams": teams})
        self.people[name] = actor
        return actor

    async def key(self, actor: Actor) -> str:
        """Return an API key of an actor's, for ``Authorization: Bearer``."""
        assert actor.id is not None  # noqa: S101 - a person is one
        secret, _ = await self.accounts.api_keys.create(SYSTEM, actor.id, "Test")
        return secret

    async def _named(self, entity: str, name: str) -> dict[str, str]:
        found = await self.system.find(entity, f"name == '{name}'")
        return found or await self.system.create(entity, {"name": name})

    async def write(self, files: Mapping[str, str]) -> None:
        """Write definition files; an empty text deletes one."""
        write_files(self.kernel.settings.folder, files)

    async def apply(self, files: Mapping[str, str] | None = None, consent: Sequence[str] = ()) -> None:
        """Write files and put the definitions in force."""
        await self.write(files or {})
        await self.kernel.apply(SYSTEM, self.kernel.sources(), frozenset(consent))


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files below a folder; an empty text deletes the file."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.strip():
            path.write_text(text, "utf-8")
        else:
            path.unlink(missing_ok=True)


def site_settings(folder: Path, database_url: str, **overrides: object) -> Settings:
    """Return settings for a site in a temporary folder, whatever the environment says."""
    return load_settings(folder, {}, **{"database": database_url, **overrides})


@asynccontextmanager
async def make_site(
    folder: Path, database_url: str, files: Mapping[str, str], **settings: object
) -> AsyncIterator[TestSite]:
    """Make a site of `files` (path below the folder → text), put it in force, and close it at the end."""
    write_files(folder, files)
    (folder / "entities").mkdir(parents=True, exist_ok=True)
    clock = Clock()
    async with open_site(site_settings(folder, database_url, synchronous="normal", **settings), clock) as site:
        await site.kernel.apply(SYSTEM, site.kernel.sources())
        yield TestSite(site, clock)
