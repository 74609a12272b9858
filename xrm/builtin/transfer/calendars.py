"""Calendars (iCalendar, RFC 5545): records with a date as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Event

from xrm.builtin.transfer.flat import DATED
from xrm.errors import Invalid, Issue
from xrm.metadata.model import Entity


class Calendar:
    """Makes an event of each record of an entity that has a date.

    It begins at the first field of type datetime, date or date range that is exported, those of the kernel excepted;
    a second one of the same type, if it is called like an end (``ends_at``, ``until``), is where it ends.
    """

    begin = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//xrm//export//EN\r\nCALSCALE:GREGORIAN\r\n"
    end = b"END:VCALENDAR\r\n"

    def __init__(self, entity: Entity, paths: Sequence[str]) -> None:
        """Prepare events of the fields that are exported.

        Raises:
            Invalid: none of them says when.
        """
        fields = [entity.fields[path] for path in paths if path in entity.fields]
        dated = [field for field in fields if field.type in DATED and not field.system]
        if not dated:
            issue = Issue("format", "no_date", f"{entity.title} has no date.", "export a date or datetime")
            raise Invalid("There is nothing to put into a calendar.", [issue])
        self._start = dated[0]
        self._stop = next((f for f in dated[1:] if f.type == self._start.type and _is_end(f.name)), None)
        self._notes = [field for field in fields if field.type in ("long_text", "markdown") and not field.system]

    def event(self, record: Mapping[str, Any]) -> bytes:
        """Return the event of a record, or nothing when its date is empty."""
        start, stop = self._span(record)
        if start is None:
            return b""
        event = Event()
        event.add("uid", f"{record['id']}@xrm")
        event.add("dtstamp", _stamp(record))
        event.add("dtstart", start)
        if stop is not None:
            event.add("dtend", stop)
        event.add("summary", str(record.get("label") or record.get("name") or record["id"]))
        notes = "\n\n".join(str(record[field.name]) for field in self._notes if record.get(field.name))
        if notes:
            event.add("description", notes)
        return bytes(event.to_ical())

    def _span(self, record: Mapping[str, Any]) -> tuple[date | None, date | None]:
        value = record.get(self._start.name)
        if self._start.type == "date_range":
            start, last = (_moment(value.get(part)) if value else None for part in ("start", "end"))
            return start, None if last is None else last + timedelta(days=1)  # DTEND is the day after (3.6.1)
        start, stop = _moment(value), _moment(record.get(self._stop.name)) if self._stop else None
        if stop is None or start is None or stop < start:
            return start, None
        return start, stop if isinstance(stop, datetime) else stop + timedelta(days=1)


def _moment(text: Any) -> date | None:
    if not text:
        return None
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _stamp(record: Mapping[str, Any]) -> datetime:
    changed = _moment(record.get("updated_at") or record.get("created_at"))
    return changed if isinstance(changed, datetime) else datetime(1970, 1, 1, tzinfo=UTC)


def _is_end(name: str) -> bool:
    return not {"end", "ends", "until", "to", "finish"}.isdisjoint(name.split("_"))
