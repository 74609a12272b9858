"""The statements by which a token becomes an actor: made once, one round trip each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.kernel.change import Actor
from xrm.kernel.policy import NAMING, SHARE, no_fields
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var
from xrm.metadata.model import Model

TEXT, UUID_TYPE, DATETIME, TEXTS = ColumnType("text"), ColumnType("uuid"), ColumnType("datetime"), ColumnType("texts")
TOKENS, NOW, IDLE, STALE = Var("tokens", TEXTS), Var("now", DATETIME), Var("idle", DATETIME), Var("stale", DATETIME)
USER, EMAIL = Var("user", UUID_TYPE), Var("email", TEXT)
WIDTH = 7  # cells of a person in a row; after them come the token's id, whether it is stale, and its hash


@dataclass(frozen=True, slots=True)
class Lookups:
    """The statements of one database.

    Attributes:
        session: hashes of tokens → person, id of the session, whether `seen_at` is to be touched, hash, second factor?
        key: hashes of tokens → person, id of the key, whether `seen_at` is to be touched, hash.
        user: id → person.
        sign_in: address → id, hash of the password (or null), whether the user may sign in.
        anybody: → one row when somebody can sign in.
    """

    session: Statement
    key: Statement
    user: Statement
    sign_in: Statement
    anybody: Statement
    actor: Callable[[Sequence[Any], str, str], Actor]


def make_lookups(dialect: Dialect, model: Model) -> Lookups:
    """Return the statements for a database and the generation in force there."""
    person = _person(dialect, _shared(dialect) if SHARE in model.entities else "NULL")
    return Lookups(
        _session(dialect, person),
        _key(dialect, person),
        _user(dialect, person),
        _sign_in(dialect),
        _anybody(),
        _reader(dialect),
    )


def _person(dialect: Dialect, shared: str) -> str:
    join = 'group_concat(m."team")' if dialect.name == "sqlite" else "string_agg(m.\"team\"::text, ',')"
    teams = f'(SELECT {join} FROM "team_member" m WHERE m."member" = u."id" AND m."deleted_at" IS NULL)'
    return f'u."id", u."name", u."email", u."roles", u."unit", {teams}, {shared}'


def _shared(dialect: Dialect) -> str:
    """Return of which entities records are shared with somebody; with a "+" where the share names fields."""
    name = f"s.\"record_entity\" || CASE WHEN {no_fields('s', dialect)} THEN '' ELSE '{NAMING}' END"
    names = f"group_concat(DISTINCT {name})" if dialect.name == "sqlite" else f"string_agg(DISTINCT {name}, ',')"
    mine = f'SELECT p.* FROM "{SHARE}" p WHERE p."person" = u."id" AND p."deleted_at" IS NULL'
    ours = (
        f'SELECT o.* FROM "team_member" n JOIN "{SHARE}" o ON o."team" = n."team"'
        ' WHERE n."member" = u."id" AND n."deleted_at" IS NULL AND o."deleted_at" IS NULL'
    )
    return f"(SELECT {names} FROM ({mine} UNION ALL {ours}) s)"  # each by its own index


def _among(binder: Binder) -> str:
    given = binder.bind(TOKENS, TEXTS)
    return f"IN (SELECT value FROM json_each({given}))" if binder.dialect.name == "sqlite" else f"= ANY({given})"


_LIVE = 'u."deleted_at" IS NULL AND u."active"'


def _session(dialect: Dialect, person: str) -> Statement:
    b = Binder(dialect)
    return b.statement(
        f'SELECT {person}, s."id", s."seen_at" < {b.bind(STALE, DATETIME)}, s."token_hash", s."mfa"'
        f' FROM "xrm_session" s JOIN "user" u ON u."id" = s."user"'
        f' WHERE s."token_hash" {_among(b)} AND s."expires_at" > {b.bind(NOW, DATETIME)}'
        f' AND s."seen_at" > {b.bind(IDLE, DATETIME)} AND {_LIVE}'
    )


def _key(dialect: Dialect, person: str) -> Statement:
    b = Binder(dialect)
    return b.statement(
        f'SELECT {person}, k."id", k."seen_at" IS NULL OR k."seen_at" < {b.bind(STALE, DATETIME)}'
        f', k."key_hash" FROM "xrm_api_key" k JOIN "user" u ON u."id" = k."user"'
        f' WHERE k."key_hash" {_among(b)} AND {_LIVE}'
        f' AND (k."expires_at" IS NULL OR k."expires_at" > {b.bind(NOW, DATETIME)})'
    )


def _user(dialect: Dialect, person: str) -> Statement:
    b = Binder(dialect)
    return b.statement(f'SELECT {person} FROM "user" u WHERE u."id" = {b.bind(USER, UUID_TYPE)} AND {_LIVE}')


def _sign_in(dialect: Dialect) -> Statement:
    b = Binder(dialect)
    return b.statement(
        f'SELECT u."id", c."password_hash", CASE WHEN {_LIVE} THEN 1 ELSE 0 END'
        f' FROM "user" u LEFT JOIN "xrm_credential" c ON c."user" = u."id"'
        f' WHERE u."email" = {b.bind(EMAIL, TEXT)} AND u."deleted_at" IS NULL'
    )


def _anybody() -> Statement:
    return Statement(f'SELECT 1 FROM "xrm_credential" c JOIN "user" u ON u."id" = c."user" WHERE {_LIVE} LIMIT 1', ())


def _reader(dialect: Dialect) -> Callable[[Sequence[Any], str, str], Actor]:
    identity = dialect.decode(UUID_TYPE) or _same
    texts = dialect.decode(TEXTS) or _same

    def read(row: Sequence[Any], kind: str, source: str) -> Actor:
        id, name, email, roles, unit, teams, shared = row[:WIDTH]
        mfa = len(row) > WIDTH + 3 and bool(row[WIDTH + 3])
        key = identity(id)
        user = {
            "id": key,
            "email": email,
            "unit": None if unit is None else identity(unit),
            "teams": tuple(map(UUID, sorted(teams.split(",")))) if teams else (),
        }
        return Actor(
            key,
            name,
            frozenset(texts(roles) or ()) if roles else frozenset(),
            kind,
            source,
            user,
            mfa,
            shared=frozenset(shared.split(",")) if shared else frozenset(),
        )

    return read


def _same(value: Any) -> Any:
    return value
