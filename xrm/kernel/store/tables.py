"""Piccolo table classes of a schema: the ORM that plugins may query with.

    Deal = piccolo_tables(schema, store.engine)["deal"]
    await Deal.select(Deal.c_name, Deal.c_customer.c_name).where(Deal.c_amount > Decimal("100"))

A field is a class member ``c_<field>`` (``id`` stays ``id``), for names like ``select`` or ``order`` are Piccolo's own.
The keys of the rows are the plain names. These classes see every record: what an actor may see is the records' work.
"""

# ruff: noqa: SLF001 - what a Piccolo class is, is said in its _meta

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from piccolo import table as piccolo_table
from piccolo.query.methods import Delete, Insert, Update
from piccolo.querystring import QueryString
from piccolo.table import Table as PiccoloTable
from piccolo.table import create_table_class

from xrm.kernel.store.columns import EncodingValues, MarkedReturning, Relation, encode_for, make_column
from xrm.kernel.store.schema import Schema, Table


def piccolo_tables(schema: Schema, engine: Any) -> Mapping[str, type[PiccoloTable]]:
    """Return the Piccolo class of each table, by the table's name.

    Args:
        schema: The tables.
        engine: ``store.engine``.
    """
    classes = {table.id: _make_class(table, engine) for table in schema.tables.values()}
    _point(schema, classes)
    return MappingProxyType({table.name: classes[table.id] for table in schema.tables.values()})


def member(field: str) -> str:
    """Return the class member for a field's column."""
    return field if field == "id" else f"c_{field}"


class _StoreTable(PiccoloTable):
    """What our classes do otherwise than Piccolo's: they encode what is written and mark what is returned."""

    @property
    def querystring(self) -> QueryString:
        """The values of the row, for INSERT."""
        args = [encode_for(column, self[column._meta.name]) for column in self._meta.columns]
        return QueryString(f"({','.join('{}' for _ in args)})", *args)

    @classmethod
    def insert(cls, *rows: Any) -> Insert[Any]:
        """Insert rows; see Piccolo."""
        query = super().insert(*rows)
        query.returning_delegate = MarkedReturning()
        return query.returning(cls._meta.primary_key)

    @classmethod
    def update(cls, *args: Any, **kwargs: Any) -> Update[Any]:
        """Change rows; see Piccolo."""
        query = super().update(*args, **kwargs)
        query.values_delegate = EncodingValues(table=cls, _values=query.values_delegate._values)
        query.returning_delegate = MarkedReturning()
        return query

    @classmethod
    def delete(cls, *args: Any, **kwargs: Any) -> Delete:
        """Delete rows; see Piccolo."""
        query = super().delete(*args, **kwargs)
        query.returning_delegate = MarkedReturning()
        return query


# Piccolo gave it a primary key of its own, which a table with another one would inherit.
delattr(_StoreTable, "id")


def _make_class(table: Table, engine: Any) -> type[PiccoloTable]:
    pointing = {key.column for key in table.foreign_keys}
    members = {member(column.name): make_column(column, column.id in pointing) for column in table.columns}
    name = "".join(word.capitalize() for word in table.name.split("_"))
    made = create_table_class(
        name,
        bases=(_StoreTable,),
        class_kwargs={"tablename": f"xrm_{table.name}", "db": engine},
        class_members=members,
    )
    made._meta.tablename = table.name  # only now: Piccolo warns of names like "user", which it quotes anyway
    piccolo_table.TABLE_REGISTRY.remove(made)  # else no class of an earlier generation would ever be freed
    return made


def _point(schema: Schema, classes: Mapping[str, type[PiccoloTable]]) -> None:
    """Let the relations know their tables, then the fields that can be reached through them."""
    relations: list[Relation] = []
    for table in schema.tables.values():
        names = {column.id: member(column.name) for column in table.columns}
        for key in table.foreign_keys:
            relation = classes[table.id]._meta.get_column_by_name(names[key.column])
            assert isinstance(relation, Relation)  # noqa: S101 - _make_class made it one
            relation._foreign_key_meta.references = classes[key.table]
            relations.append(relation)
    for relation in relations:
        relation.set_proxy_columns()
