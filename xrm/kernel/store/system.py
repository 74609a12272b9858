"""The kernel's own tables: journal of generations, change log, sign-in, numbers. Made before any entity's table.

Their names start with ``xrm_``, which no entity may use. They are read and written by the kernel and its builtin
features only; no entity, view or expression can name them.
"""

from __future__ import annotations

from types import MappingProxyType

from xrm.kernel.store.schema import Column, ColumnType, Index, Schema, Table

TEXT = ColumnType("text")
INT = ColumnType("int")
BOOL = ColumnType("bool")
UUID = ColumnType("uuid")
DATETIME = ColumnType("datetime")
DATE = ColumnType("date")
JSON = ColumnType("json")


def _table(name: str, columns: dict[str, ColumnType | Column], indexes: tuple[Index, ...] = ()) -> Table:
    made = tuple(c if isinstance(c, Column) else Column(n, n, c) for n, c in columns.items())
    return Table(name, name, made, indexes)


def _key(name: str, type: ColumnType) -> Column:
    return Column(name, name, type, null=False, primary=True)


def _needed(name: str, type: ColumnType) -> Column:
    return Column(name, name, type, null=False)


TABLES = (
    _table(
        "xrm_journal",
        {  # one row per generation of the model
            "generation": _key("generation", INT),
            "at": _needed("at", DATETIME),
            "actor": UUID,  # user id; null = system
            "actor_name": TEXT,
            "hash": _needed("hash", TEXT),  # of the sources
            "sources": _needed("sources", JSON),  # [[layer, file, text], …]: what the model is rebuilt from
            "ids": _needed("ids", JSON),  # {entity: {"id": …, "fields": {field: id}}}
            "schema": _needed("schema", JSON),  # the physical Schema
            "steps": _needed("steps", JSON),  # what was done, as people read it
        },
    ),
    _table(
        "xrm_changeset",
        {  # one row per act
            "id": _key("id", UUID),
            "at": _needed("at", DATETIME),
            "actor": UUID,
            "actor_name": TEXT,
            "source": _needed("source", TEXT),  # api | form | import | cli | studio | system | plugin:<name> …
            "reason": TEXT,
            "idempotency_key": TEXT,
            "generation": _needed("generation", INT),
            "actor_kind": TEXT,  # person | integration | system
            "behalf": UUID,  # the user on whose behalf it was done
            "behalf_name": TEXT,
            "origin": TEXT,  # what within the source: a file, an automation
            "run": UUID,  # shared by acts that belong together
            "undoes": UUID,  # the change-set or run that this one takes back
            "place": INT,  # PostgreSQL: orders what is not sealed yet
            "seq": INT,  # its number in the feed, once it is sealed
            "hash": TEXT,  # of what it holds and of the one before
        },
        (
            Index("ix_at", ("at",)),
            Index("uq_seq", ("seq",), unique=True),
            Index("ix_run", ("run",)),
            Index("ix_undoes", ("undoes",)),
        ),
    ),
    _table(
        "xrm_change",
        {  # one row per record written in the act
            "id": _key("id", UUID),
            "changeset": _needed("changeset", UUID),
            "entity": _needed("entity", TEXT),
            "record": _needed("record", UUID),
            "version": _needed("version", INT),  # the record's version after it
            "kind": _needed("kind", TEXT),  # create | update | delete | restore
            "action": TEXT,  # the transition or action, if one was named
            "before": JSON,  # {field: stored JSON value} of what changed
            "after": JSON,
            "number": INT,  # its place in the act, from 0
            "actor_name": TEXT,  # who made it, when not the actor of the act
            "source": TEXT,
            "origin": TEXT,  # which part of the source: "row 17"
            "derived": JSON,  # fields that nobody sent: defaults, formulas, what hooks set
            "erased": TEXT,  # the hash it was sealed with, when what it held of a person was erased
        },
        (
            Index("ix_record", ("record", "version")),
            Index("ix_changeset", ("changeset",)),
            Index("ix_entity", ("entity", "changeset")),
        ),
    ),
    _table(
        "xrm_sequence",
        {  # counters of auto_number fields
            "name": _key("name", TEXT),  # "<entity>.<field>"
            "value": _needed("value", INT),
        },
    ),
    _table(
        "xrm_switch",
        {  # what holds for all processes of the site; see kernel/switches.py
            "name": _key("name", TEXT),  # read_only
            "reason": _needed("reason", TEXT),  # as people read it
            "at": _needed("at", DATETIME),
        },
    ),
    _table(
        "xrm_webhook",
        {  # how far a webhook was told; see builtin/webhooks
            "webhook": _key("webhook", UUID),
            "cursor": _needed("cursor", INT),  # of the feed
            "failing_since": DATETIME,  # null: the last request was taken
        },
    ),
    _table(
        "xrm_job",
        {  # work for later; see kernel/jobs
            "id": _key("id", UUID),
            "kind": _needed("kind", TEXT),
            "payload": _needed("payload", JSON),
            "state": _needed("state", TEXT),  # waiting | running | done | failed | cancelled
            "priority": _needed("priority", INT),
            "run_at": _needed("run_at", DATETIME),  # not before
            "attempts": _needed("attempts", INT),
            "fence": _needed("fence", INT),  # counts its holders: an earlier one can write no more
            "lease_until": DATETIME,
            "runner": TEXT,  # the process that holds it
            "unique_key": TEXT,  # at most one such waits
            "serial_key": TEXT,  # at most one such runs, in order of the ids
            "lane": TEXT,  # at most two such run
            "actor": UUID,  # the user who asked for it; null = the system
            "memory": _needed("memory", JSON),  # {step: result} of what it did
            "done": _needed("done", INT),
            "total": _needed("total", INT),  # 0 = not known
            "note": TEXT,
            "error": TEXT,  # of the last attempt
            "created_at": _needed("created_at", DATETIME),
            "finished_at": DATETIME,
        },
        (
            Index("ix_state", ("state", "run_at")),
            Index("ix_serial", ("serial_key", "state")),
            Index("ix_lane", ("lane", "state")),
            Index("ix_kind", ("kind", "state")),
            Index("uq_unique", ("unique_key",), unique=True),
        ),
    ),
    _table(
        "xrm_credential",
        {
            "user": _key("user", UUID),
            "password_hash": _needed("password_hash", TEXT),  # argon2id, PHC string
            "changed_at": _needed("changed_at", DATETIME),
        },
    ),
    _table(
        "xrm_session",
        {
            "id": _key("id", UUID),
            "token_hash": _needed("token_hash", TEXT),  # SHA-256 of the cookie's value
            "user": _needed("user", UUID),
            "created_at": _needed("created_at", DATETIME),
            "seen_at": _needed("seen_at", DATETIME),
            "expires_at": _needed("expires_at", DATETIME),
            "client": TEXT,  # User-Agent, shortened
            "address": TEXT,  # where it was opened from
            "mfa": BOOL,  # whether it was opened with a second factor
        },
        (Index("uq_token", ("token_hash",), unique=True), Index("ix_user", ("user",))),
    ),
    _table(
        "xrm_factor",
        {  # second factors of users
            "id": _key("id", UUID),
            "user": _needed("user", UUID),
            "kind": _needed("kind", TEXT),  # app (TOTP) | recovery
            "secret": _needed("secret", TEXT),  # app: sealed in the vault; recovery: SHA-256
            "created_at": _needed("created_at", DATETIME),
            "seen_at": DATETIME,
            "counter": INT,  # app: the last step of time whose code was used
        },
        (Index("ix_user", ("user",)),),
    ),
    _table(
        "xrm_security",
        {  # the security log
            "id": _key("id", UUID),
            "at": _needed("at", DATETIME),
            "event": _needed("event", TEXT),
            "user": UUID,  # whom it is about
            "actor": UUID,  # who did it
            "actor_name": TEXT,
            "address": TEXT,
            "client": TEXT,
            "detail": TEXT,
        },
        (Index("ix_at", ("at",)), Index("ix_user", ("user",))),
    ),
    _table(
        "xrm_attempt",
        {  # failed sign-ins: how often in the window that began then
            "key": _key("key", TEXT),  # SHA-256 of what is counted
            "began_at": _needed("began_at", DATETIME),
            "tries": _needed("tries", INT),
        },
        (Index("ix_began", ("began_at",)),),
    ),
    _table(
        "xrm_link",
        {  # links that can be used once: the site's set-up, invitations, new passwords
            "token_hash": _key("token_hash", TEXT),  # SHA-256
            "purpose": _needed("purpose", TEXT),  # setup | invitation | password
            "user": UUID,  # null: the set-up
            "created_at": _needed("created_at", DATETIME),
            "expires_at": _needed("expires_at", DATETIME),
        },
        (Index("ix_user", ("user",)),),
    ),
    _table(
        "xrm_api_key",
        {
            "id": _key("id", UUID),
            "prefix": _needed("prefix", TEXT),  # shown in lists
            "key_hash": _needed("key_hash", TEXT),  # SHA-256
            "user": _needed("user", UUID),
            "title": _needed("title", TEXT),
            "created_at": _needed("created_at", DATETIME),
            "expires_at": DATETIME,
            "seen_at": DATETIME,
        },
        (Index("uq_key", ("key_hash",), unique=True), Index("ix_user", ("user",))),
    ),
    _table(
        "xrm_idempotency",
        {
            "key": _key("key", TEXT),  # "<actor id>:<Idempotency-Key>"
            "request_hash": _needed("request_hash", TEXT),
            "status": _needed("status", INT),
            "etag": TEXT,
            "body": _needed("body", TEXT),
            "at": _needed("at", DATETIME),
        },
        (Index("ix_at", ("at",)),),
    ),
)

SYSTEM = Schema(MappingProxyType({table.id: table for table in TABLES}))

IN_FORCE = '(SELECT max("generation") FROM "xrm_journal")'
"""SQL of the number of the generation in force, for statements that must not run on another one."""
