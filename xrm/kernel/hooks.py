"""The contract with plugins: every moment where a plugin joins in, and what it hands over there.

Registration hooks are pluggy hooks: synchronous, declarative, called once at start and at each reload. Record moments
(`Handlers`) go through a dispatch table that plugins fill, so that a write pays only for what is used.
A plugin imports `xrm` and nothing else; its functions are marked with ``@xrm.hookimpl``.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import pluggy

from xrm.kernel.change import Actor, Change
from xrm.kernel.jobs.kind import NewJob
from xrm.kernel.vault import Vault

if TYPE_CHECKING:
    from xrm.kernel.fieldtypes.base import FieldType
    from xrm.kernel.jobs.kind import JobKind
    from xrm.kernel.kernel import Kernel
    from xrm.kernel.records import Bound
    from xrm.metadata.model import Field, Model

hookspec = pluggy.HookspecMarker("xrm")
hookimpl = pluggy.HookimplMarker("xrm")


@dataclass(frozen=True, slots=True)
class Context:
    """What a plugin's code is given: who acts, when, and the one door, bound to that actor.

    Attributes:
        actor: Who acts.
        now: The moment of the act (aware, UTC), from the kernel's clock.
        model: The model in force.
        records: The records door bound to the actor and the running transaction.
        system: The same door for the system's actor: for what must happen whoever acts; shows in the history.
        enqueue: Asks for a job (`NewJob`) in the running act: it begins after the commit, or never.
        vault: Seals and opens encrypted texts; a record's hook has and sets their tokens.
        site: Settings a plugin may know: `currency` and the plugin's own settings.
    """

    actor: Actor
    now: datetime
    model: Model
    records: Bound
    system: Bound
    enqueue: Callable[[NewJob], Awaitable[UUID]]
    vault: Vault
    site: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Context, Change], Awaitable[None]]


class Handlers:
    """The dispatch table of record moments; filled by plugins in `handlers`, read by the records door."""

    def __init__(self) -> None:
        self._table: dict[tuple[str, str], list[Handler]] = {}

    def before_write(self, entity: str, handler: Handler) -> None:
        """Call `handler` before a record of `entity` ("*" = any) is checked and stored; it may set values or refuse."""
        self._table.setdefault(("before", entity), []).append(handler)

    def after_write(self, entity: str, handler: Handler) -> None:
        """Call `handler` after the record is stored, in the same transaction; what it writes joins the change-set."""
        self._table.setdefault(("after", entity), []).append(handler)

    def get(self, moment: str, entity: str) -> tuple[Handler, ...]:
        """Return the handlers of a moment ("before" or "after") for one entity, in order of registration."""
        return (*self._table.get((moment, "*"), ()), *self._table.get((moment, entity), ()))


ActionRun = Callable[[Context, dict[str, Any], dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Action:
    """A named piece of behaviour on one record: a button on its page, and ``POST …/actions/{name}``.

    Attributes:
        entity: Whose records it acts on.
        name: Identifier; the right to run it is the grant action ``run:<name>``.
        title: The button's text.
        run: ``async (context, record, values) -> None``; record is the JSON form as the actor sees it, values are
            the parsed values of `fields`.
        fields: What it asks for.
        when: Expression over the record: the action is offered and allowed only where it holds.
        icon: Name of an icon on the button.
        color: A Bootstrap contextual name, such as danger.
        confirm: A question that is asked before.
    """

    entity: str
    name: str
    title: str
    run: ActionRun
    fields: tuple[Field, ...] = ()
    when: str = ""
    icon: str = ""
    color: str = ""
    confirm: str = ""

    @property
    def needed(self) -> frozenset[str]:
        """Return the names of the fields that must be given."""
        return frozenset(field.name for field in self.fields if field.required)


class SetPassword(Protocol):
    """What a command may do with accounts."""

    async def set_password(self, user: UUID, password: str) -> None:
        """Give a user a password."""


class RunningSite(Protocol):
    """What a plugin's command is given: the running site.

    Attributes:
        kernel: Its kernel; ``kernel.records.bound(actor)`` is the records door, ``kernel.clock()`` the time.
        accounts: Passwords of users.
    """

    @property
    def kernel(self) -> Kernel:
        """The kernel."""

    @property
    def accounts(self) -> SetPassword:
        """The accounts."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a plugin: ``xrm <name> …``.

    Attributes:
        name: As typed.
        help: One line for ``xrm --help``.
        arguments: Adds arguments to its parser.
        empty: Whether it may find no model in force; for others the definitions on disk are put in force first.
        run: ``async (site, arguments) -> exit code``; site is a `RunningSite`.
    """

    name: str
    help: str
    run: Callable[[Any, Namespace], Awaitable[int]]
    arguments: Callable[[ArgumentParser], None] = lambda parser: None
    empty: bool = False


class Importer(Protocol):
    """Brings the records of one foreign format in: ``xrm import --as <name> file``."""

    name: str
    title: str

    async def run(self, context: Context, content: bytes) -> ImportReport:
        """Read `content` and write its records; raise nothing for a bad row, report it."""
        ...


@dataclass(slots=True)
class ImportReport:
    """What became of every row: the counts add up to `read`."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)  # (row number, reason)
    records: list[UUID] = field(default_factory=list)


class Specs:
    """The registration hooks."""

    @hookspec
    def field_types(self) -> Sequence[FieldType]:  # type: ignore[empty-body]  # a hookspec has no body
        """Return types of fields. Called once, when the plugin is loaded: they hold for the whole process."""

    @hookspec
    def actions(self) -> Sequence[Action]:  # type: ignore[empty-body]  # a hookspec has no body
        """Return actions on records. Called at each reload."""

    @hookspec
    def handlers(self, registry: Handlers) -> None:
        """Add record handlers to `registry`. Called at each reload."""

    @hookspec
    def commands(self) -> Sequence[Command]:  # type: ignore[empty-body]  # a hookspec has no body
        """Return commands for the command line. Called when ``xrm`` starts."""

    @hookspec
    def importers(self) -> Sequence[Importer]:  # type: ignore[empty-body]  # a hookspec has no body
        """Return importers of foreign formats. Called at each reload."""

    @hookspec
    def jobs(self) -> Sequence[JobKind]:  # type: ignore[empty-body]  # a hookspec has no body
        """Return kinds of jobs: work for later that survives a crash. Called at each reload."""
