"""A form that was sent: its body read, relations typed as text looked up, every problem of the form itself found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException

from xrm.errors import Issue, Malformed, TooLarge, XrmError
from xrm.kernel.files.content import CHUNK
from xrm.kernel.query import Query
from xrm.kernel.values import MAX_LINKS, TYPES, Refused
from xrm.metadata.model import Field
from xrm.web.facets import quoted
from xrm.web.forms import Raw, take_raw, to_json, untouched
from xrm.web.links import typed, uuids
from xrm.web.visit import PageVisit

CHOICES = 6  # records suggested for a text that fits several
FIELDS = "_fields"  # which fields the form showed: what it did not show is left alone


@dataclass
class Sent:
    """What a form says.

    Attributes:
        body: Everything it sent, by input name.
        raw: What its fields' inputs hold.
        values: The JSON values, of fields without a problem.
        issues: Problems found here; the kernel finds the others.
        suggestions: Per relation whose text fits several records: their ids and labels.
    """

    body: Any
    raw: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    suggestions: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def word(self, name: str) -> str:
        """Return the last text sent under a name, or empty."""
        values = [v for v in self.body.getall(name, []) if isinstance(v, str)]
        return values[-1] if values else ""

    def words(self, name: str) -> list[str]:
        """Return all texts sent under a name."""
        return [v for v in self.body.getall(name, []) if isinstance(v, str) and v]

    @property
    def version(self) -> int | None:
        """The version of the record the form was made of."""
        text = self.word("_version")
        return int(text) if text.isdigit() and len(text) < 19 else None


async def body(visit: PageVisit) -> Any:
    """Return the form in the request's body.

    Raises:
        Malformed: it cannot be read.
    """
    try:
        return await visit.request.form()
    except (ClientException, ValueError, KeyError) as error:
        if isinstance(error, ClientException) and error.status_code == 413:
            raise TooLarge("The form is larger than this site takes.") from None
        raise Malformed("The form cannot be read.") from error


async def read_values(visit: PageVisit, sent: Sent, fields: Sequence[Field]) -> None:
    """Add the values of those of `fields` that the form showed."""
    names = set(sent.word(FIELDS).split(","))
    shown = [f for f in fields if f.name in names]
    sent.raw |= take_raw(shown, sent.body)
    for one in shown:
        try:
            if one.type == "relation":
                await _settle(visit, one, sent)
            await _receive(visit, one, sent)
            if untouched(one, sent.raw):
                continue
            if one.through is not None:
                await _settle_links(visit, one, sent)
            sent.values[one.name] = to_json(one, sent.raw, visit.zone)
        except Refused as refused:
            sent.issues.append(refused.issue(one.name))


async def _receive(visit: PageVisit, one: Field, sent: Sent) -> None:
    """Take in the file a form brings for a field; its token goes on in the form, should that be refused.

    Raises:
        Refused: the site does not take it.
    """
    part = next((v for v in sent.body.getall(one.name, []) if isinstance(v, UploadFile) and v.filename), None)
    if part is None or TYPES[one.type].widget != "file":
        return
    try:
        upload = await visit.site.kernel.files.receive(part.filename, visit.actor.id, pieces(part))
    except (TooLarge, Malformed) as error:
        raise Refused(error.code, error.message) from None
    sent.raw |= {f"{one.name}.token": upload.token, f"{one.name}.held": upload.file.name, f"{one.name}.remove": ""}


async def pieces(part: UploadFile) -> AsyncIterator[bytes]:
    """Yield a file that a form brings, piece by piece."""
    while piece := await part.read(CHUNK):
        yield piece


async def _settle(visit: PageVisit, one: Field, sent: Sent) -> None:
    """Look up a relation that was typed as text: without JavaScript, or by somebody faster than the suggestions.

    Raises:
        Refused: the text fits no record, or several.
    """
    if f"{one.name}.text" not in sent.raw:
        return
    text = str(sent.raw[f"{one.name}.text"]).strip()
    if picked := str(sent.raw.get(f"{one.name}.pick", "")):
        sent.raw |= {one.name: picked, f"{one.name}.was": text}
        return
    if text and sent.raw.get(one.name) and text == str(sent.raw.get(f"{one.name}.was", "")).strip():
        return
    sent.raw[one.name] = ""
    if not text:
        return
    target = str(sent.raw.get(f"{one.name}.entity", "")) if one.polymorphic else one.to[0]
    found = await _find(visit, target, text)
    if len(found) != 1:
        sent.suggestions[one.name] = tuple((r["id"], str(r.get("label") or r["id"])) for r in found[:CHOICES])
        raise Refused("no_such_record", *_why(visit, target, text, len(found)))
    label = str(found[0].get("label") or "")
    sent.raw |= {one.name: found[0]["id"], f"{one.name}.text": label, f"{one.name}.was": label}


async def _settle_links(visit: PageVisit, one: Field, sent: Sent) -> None:
    """Look up the records typed as text, and the titles of those chosen.

    Raises:
        Refused: a text fits no record, or several.
    """
    target, refused = one.to[0], None
    left: list[str] = []
    for text in typed(str(sent.raw.get(f"{one.name}.text", ""))):
        found = await _find(visit, target, text)
        if len(found) == 1:
            sent.raw[one.name] = [*sent.raw[one.name], found[0]["id"]]
            continue
        left.append(text)
        offered = tuple((r["id"], str(r.get("label") or r["id"])) for r in found[:CHOICES])
        sent.suggestions[one.name] = (*sent.suggestions.get(one.name, ()), *offered)
        refused = refused or Refused("no_such_record", *_why(visit, target, text, len(found)))
    sent.raw[f"{one.name}.text"] = "; ".join(left)
    was = str(sent.raw.get(f"{one.name}.was", "")).split(",")
    ids = uuids([*was, *sent.raw[one.name]])[:MAX_LINKS]
    sent.raw[f"{one.name}.labels"] = dict(await visit.records.visible_ids(visit.actor, target, ids))
    if refused is not None:
        raise refused


def _why(visit: PageVisit, target: str, text: str, found: int) -> tuple[str, str]:
    entity = visit.live.model.entity(target)
    if entity is None:
        return "Say first what kind of record this is.", ""
    if not found:
        return f"There is no {entity.title} called {text!r}.", "check the spelling, or create it first"
    return f"Several {entity.plural} fit {text!r}.", "choose one"


async def _find(visit: PageVisit, target: str, text: str) -> list[dict[str, Any]]:
    """Return the records a text names: those with exactly this title, else those the search finds."""
    if visit.live.model.entity(target) is None or not visit.may(target, "read"):
        return []
    exact = await _list(
        visit, target, Query(f"lower(label) == lower({quoted(text)})", fields=("label",), limit=CHOICES)
    )
    return exact or await _list(visit, target, Query(search=text[:200], fields=("label",), limit=CHOICES))


async def _list(visit: PageVisit, target: str, query: Query) -> list[dict[str, Any]]:
    try:
        return (await visit.records.list(visit.actor, target, query)).records
    except XrmError:  # a text that cannot be searched for finds nothing
        return []


def merged(own: Sequence[Issue], found: Sequence[Issue]) -> list[Issue]:
    """Return the form's problems and the kernel's, one per field and message; the form's word counts for its fields."""
    told = {issue.path for issue in own}
    return [*own, *(issue for issue in found if not issue.path or issue.path not in told)]


def still(raw: Raw, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return inputs to be sent again unseen: name and value of everything that belongs to `values`."""
    found: list[tuple[str, str]] = []
    for name, held in raw.items():
        if name.split(".")[0] in values:
            found.extend((name, str(v)) for v in (held if isinstance(held, list) else [held]))
    return found
