"""``$metadata``: what there is to read, as CSDL XML.

Source: OData Common Schema Definition Language (CSDL) XML Representation Version 4.01.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import quoteattr

from xrm.api.odata.names import Property, Shape, Way

NAMESPACE = "xrm"


def metadata(shapes: Iterable[Shape]) -> str:
    """Return the document about what one actor may read."""
    known = list(shapes)
    types = "".join(line for shape in known for line in _type(shape))
    sets = "".join(line for shape in known for line in _set(shape))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">{types}'
        f'<EntityContainer Name="Container">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    )


def _type(shape: Shape) -> Iterator[str]:
    yield f'<EntityType Name="{shape.entity.name}"><Key><PropertyRef Name="id"/></Key>'
    for one in shape.properties.values():
        yield _property(shape, one)
    for way in shape.ways.values():
        yield _way(way)
    yield "</EntityType>"


def _property(shape: Shape, one: Property) -> str:
    null = ' Nullable="false"' if one.name in ("id", "version") else ""
    scale = f' Precision="{one.kind.precision or 18}" Scale="{one.kind.scale}"' if one.kind.name == "decimal" else ""
    precision = ' Precision="6"' if one.kind.name in ("datetime", "time") else ""
    title = quoteattr(shape.entity.fields[one.field].title)
    label = f'<Annotation Term="Org.OData.Core.V1.Description" String={title}/>'
    return f'<Property Name="{one.name}" Type="{one.edm}"{null}{scale}{precision}>{label}</Property>'


def _way(way: Way) -> str:
    kind = f"{NAMESPACE}.{way.entity}"
    return f'<NavigationProperty Name="{way.name}" Type="{f"Collection({kind})" if way.many else kind}"/>'


def _set(shape: Shape) -> Iterator[str]:
    name = shape.entity.name
    yield f'<EntitySet Name="{name}" EntityType="{NAMESPACE}.{name}">'
    for way in shape.ways.values():
        yield f'<NavigationPropertyBinding Path="{way.name}" Target="{way.entity}"/>'
    yield "</EntitySet>"
