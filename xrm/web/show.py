"""Values of records as people read them: plain text, and HTML with links, badges and times.

Nothing here is trusted: every text is escaped by markupsafe, links are made only to http(s), mailto and tel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from markupsafe import Markup, escape

from xrm.kernel.fieldtypes import phone, signs
from xrm.kernel.fieldtypes.addresses import written
from xrm.kernel.fieldtypes.markup import words_of
from xrm.kernel.values import all_parts, keys, one_line
from xrm.metadata.model import Choice, Entity, Field, Model
from xrm.web import markup
from xrm.web.links import links_plain, links_rich

SYMBOLS: Mapping[str, str] = MappingProxyType({"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "PLN": "zł"})
COLORS = frozenset({"primary", "success", "danger", "warning", "info", "secondary"})
EMPTY = Markup('<span class="empty" aria-hidden="true">–</span><span class="visually-hidden">empty</span>')
WITHHELD = Markup(
    '<span class="withheld" title="You may not see this value">'
    '<i class="bi bi-lock" aria-hidden="true"></i> withheld</span>'
)
LONG = 120  # characters of a long text shown in a list


@dataclass(frozen=True)
class Show:
    """Formats values for one generation, one time zone and one country."""

    model: Model
    zone: ZoneInfo
    map_url: str = ""
    country: str = "DE"
    currency: str = ""  # of the site: what amounts are also worth

    # --- plain text ---

    def plain(self, field: Field, value: Any) -> str:
        """Return a JSON value of a record as one line of text; empty for no value."""
        if value is None or value == "" or value == []:
            return ""
        maker = self._plain.get(field.type)
        if maker is None and isinstance(value, Mapping) and keys(field):
            return one_line(field, value)
        return maker(field, value) if maker else str(value)

    def part(self, field: Field, name: str, value: Any) -> str:
        """Return one part of a compound value as text, such as the currency of an amount."""
        if value is None or value == "":
            return ""
        part = next(part for part in all_parts(field) if part.name == name)
        named = dict(part.choices()) if part.choices else {}
        shown: Mapping[str, Callable[[Any], str]] = {
            "date": self.day,
            "datetime": self.moment,
            "decimal": trimmed,
            "bool": _yes,
        }
        return named.get(value) or str(shown.get(part.column.name, str)(value))

    def money(self, value: Mapping[str, Any] | None) -> str:
        """Return an amount with its currency: ``€1,234.50`` or ``CHF 1,234.50``."""
        if not value or value.get("amount") is None:
            return ""
        number, currency = grouped(value["amount"]), str(value.get("currency") or "")
        sign, digits = ("\u2212", number[1:]) if number.startswith("-") else ("", number)
        return f"{sign}{SYMBOLS[currency]}{digits}" if currency in SYMBOLS else f"{currency} {sign}{digits}".strip()

    def worth(self, value: Mapping[str, Any]) -> Markup:
        """Return an amount, with what it is worth in the site's currency where it also keeps that."""
        shown, base = escape(self.money(value)), value.get("base")
        if base is None or not self.currency or value.get("currency") == self.currency:
            return shown
        own = self.money({"amount": base, "currency": self.currency})
        return Markup('{} <span class="worth">({})</span>').format(shown, own)

    def day(self, value: str) -> str:
        """Return a date: ``3 Nov 2026``."""
        try:
            found = date.fromisoformat(value)
        except ValueError:
            return value
        return f"{found.day} {found:%b %Y}"

    def days(self, value: Mapping[str, Any]) -> str:
        """Return a range of dates: ``3 Nov 2026 – 5 Nov 2026``, ``from 3 Nov 2026``, ``until 5 Nov 2026``."""
        start, end = (self.day(value[name]) if value.get(name) else "" for name in ("start", "end"))
        if start and end:
            return f"{start} – {end}"
        return f"from {start}" if start else f"until {end}"

    def place(self, field: Field, value: Mapping[str, Any]) -> Markup:
        """Return a point as a link to the map page of the settings; nothing is fetched until somebody follows it."""
        text = self.plain(field, value)
        if not self.map_url.startswith(("http://", "https://")):
            return escape(text)
        target = self.map_url.replace("{lat}", str(value["lat"])).replace("{lng}", str(value["lng"]))
        return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(target, text)

    def file(self, entity: str, id: str, field: Field, value: Mapping[str, Any] | None) -> Markup:
        """Return a file of a record as a link that fetches it, a picture with its thumbnail."""
        if not value:
            return EMPTY
        path = f"/api/{entity}/{id}/files/{field.name}"
        shown = Markup('<a href="{}" download>{}</a> <span class="file-size">{}</span>').format(
            path, value["name"], file_size(value["size"])
        )
        if field.type != "image":
            return shown
        return Markup('<img class="thumbnail" src="{}/thumbnail" alt="" loading="lazy"><br>').format(path) + shown

    def moment(self, value: str) -> str:
        """Return a time in the site's zone: ``3 Nov 2026, 14:05``."""
        found = self.local(value)
        return f"{found.day} {found:%b %Y, %H:%M}" if found else str(value)

    def local(self, value: str) -> datetime | None:
        """Return a time as the API sends it as an aware one in the site's zone; None if it is none."""
        try:
            return datetime.fromisoformat(value).astimezone(self.zone)
        except (ValueError, OverflowError, TypeError):
            return None

    def ago(self, value: str, now: datetime) -> str:
        """Return how long ago (or in how long) a time is, in words; a date when it is more than a week."""
        found = self.local(value)
        if found is None:
            return str(value)
        here = now.astimezone(self.zone)
        gap = (here - found).total_seconds()
        if abs(gap) < 60:
            return "just now"
        if abs(gap) < 3600:
            return _spoken(gap, f"{int(abs(gap) // 60)} min")
        days = (here.date() - found.date()).days
        if days == 0:
            return f"today, {found:%H:%M}"
        if abs(days) == 1:
            return f"{'yesterday' if days == 1 else 'tomorrow'}, {found:%H:%M}"
        return _spoken(gap, f"{abs(days)} days") if abs(days) < 7 else f"{found.day} {found:%b %Y}"

    # --- HTML ---

    def rich(self, field: Field, value: Any) -> Markup:
        """Return a JSON value of a record as HTML; a dash for no value."""
        if value is None or value == "" or value == []:
            return EMPTY
        maker = self._rich.get(field.type)
        return maker(field, value) if maker else escape(self.plain(field, value))

    def link(self, field: Field, value: Any) -> Markup:
        """Return a relation as a link to its record; a lock when the record is withheld."""
        if not isinstance(value, Mapping):
            return EMPTY
        if value.get("_restricted"):
            return WITHHELD
        entity = value.get("entity") or (field.to[0] if field.to else "")
        label = value.get("label") or "(no title)"
        if entity not in self.model.entities:
            return escape(label)
        return Markup('<a href="/e/{}/{}">{}</a>').format(entity, value.get("id"), label)

    def badge(self, field: Field, name: Any) -> Markup:
        """Return one choice as a coloured badge."""
        return self._badges.get((id(field), name)) or _badge(_choice(field, name))

    def badges(self, field: Field, names: Any) -> Markup:
        """Return several choices as badges."""
        return Markup(" ").join(self.badge(field, name) for name in names)

    def time_tag(self, value: str) -> Markup:
        """Return a time as a ``<time>`` element."""
        return Markup('<time datetime="{}">{}</time>').format(value, self.moment(value))

    @cached_property
    def _badges(self) -> dict[tuple[int, Any], Markup]:
        """Every badge of the model, made once: a list of 50 records shows hundreds."""
        return {
            (id(field), choice.name): _badge(choice)
            for entity in self.model.entities.values()
            for field in entity.fields.values()
            for choice in field.choices
        }

    @cached_property
    def _plain(self) -> Mapping[str, Callable[[Field, Any], str]]:
        return {
            "money": lambda f, v: self.money(v),
            "percent": lambda f, v: f"{trimmed(v)} %",
            "decimal": lambda f, v: trimmed(v),
            "integer": lambda f, v: f"{v:,}" if abs(v) >= 10_000 else str(v),
            "duration": lambda f, v: duration(v),
            "boolean": lambda f, v: "Yes" if v else "No",
            "date": lambda f, v: self.day(v),
            "time": lambda f, v: str(v)[:5],
            "datetime": lambda f, v: self.moment(v),
            "choice": lambda f, v: _choice(f, v).title,
            "choices": lambda f, v: ", ".join(_choice(f, n).title for n in v),
            "tags": lambda f, v: ", ".join(map(str, v)),
            "json": lambda f, v: msgspec.json.encode(v).decode(),
            "relation": lambda f, v: _label(v),
            "links": lambda f, v: links_plain(v),
            "date_range": lambda f, v: self.days(v),
            "secret": lambda f, v: "set",
            "encrypted_text": lambda f, v: "cannot be decrypted" if isinstance(v, Mapping) else str(v),
            "phone": lambda f, v: phone.shown(v, self.country),
            "markdown": lambda f, v: markup.plain_markdown(v),
            "rich_text": lambda f, v: words_of(v),
            "year_month": lambda f, v: _month(v),
            "rating": lambda f, v: f"{v} of {signs.stars(f)}",
        }

    @cached_property
    def _rich(self) -> Mapping[str, Callable[[Field, Any], Markup]]:
        return {
            "money": lambda f, v: self.worth(v),
            "relation": self.link,
            "links": lambda f, v: links_rich(self.model, self.plain, f, v),
            "choice": self.badge,
            "choices": self.badges,
            "tags": lambda f, v: Markup(" ").join(Markup('<span class="tag">{}</span>').format(t) for t in v),
            "email": lambda f, v: Markup('<a href="mailto:{}">{}</a>').format(quote(v, safe="@+"), v),
            "phone": lambda f, v: Markup('<a href="tel:{}">{}</a>').format(_dialled(v), phone.shown(v, self.country)),
            "url": _url,
            "geo_point": self.place,
            "address": lambda f, v: Markup("<br>").join(written(v)),
            "markdown": lambda f, v: Markup('<div class="markup">{}</div>').format(markup.markdown(v)),
            "rich_text": lambda f, v: Markup('<div class="markup">{}</div>').format(markup.rich(v)),
            "year_month": lambda f, v: Markup('<time datetime="{}">{}</time>').format(v, _month(v)),
            "rating": _stars,
            "colour": _swatch,
            "icon": lambda f, v: Markup('<i class="bi bi-{}" aria-hidden="true"></i> {}').format(v, v),
            "long_text": lambda f, v: Markup('<div class="long-text">{}</div>').format(v),
            "datetime": lambda f, v: self.time_tag(v),
            "date": lambda f, v: Markup('<time datetime="{}">{}</time>').format(v, self.day(v)),
            "json": lambda f, v: Markup('<pre class="json">{}</pre>').format(
                msgspec.json.format(msgspec.json.encode(v), indent=2).decode()
            ),
            "boolean": lambda f, v: Markup('<span class="bool">{}</span>').format("Yes" if v else "No"),
        }


# --- numbers ---------------------------------------------------------------------------------------------------------


def grouped(value: Any) -> str:
    """Return a decimal with thousands separated: ``1,234.50``; the text itself when it is no number."""
    try:
        return f"{Decimal(str(value)):,f}"
    except InvalidOperation:
        return str(value)


def trimmed(value: Any) -> str:
    """Return a decimal without the zeros at its end: ``12.5``, ``40``."""
    text = grouped(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(minutes: Any) -> str:
    """Return minutes as hours and minutes: ``1 h 30 min``."""
    hours, rest = divmod(abs(int(minutes)), 60)
    text = " ".join(
        part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else "") if part
    )
    return f"\u2212{text}" if int(minutes) < 0 else text


def file_size(count: int) -> str:
    """Return a number of bytes: ``640 B``, ``12.5 kB``, ``3.0 MB``."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def utc_text(moment: datetime) -> str:
    """Return an aware time as the API writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day_bounds(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when today begins and ends in a zone, as UTC times."""
    start = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(hours=36)).replace(hour=0)  # 36 h: also where the clocks change that night
    return start.astimezone(UTC), end.astimezone(UTC)


def short(text: str, limit: int = LONG) -> str:
    """Return a text cut to `limit` characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def initials(name: str) -> str:
    """Return the first letters of the first and the last word of a name."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words[:1])).upper()


def singular(entity: Entity) -> str:
    """Return an entity's title as it stands inside a sentence: ``deal``, but ``ERP link``."""
    title = entity.title
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def _spoken(gap: float, text: str) -> str:
    return f"{text} ago" if gap > 0 else f"in {text}"


def _choice(field: Field, name: Any) -> Choice:
    return next((c for c in field.choices if c.name == name), Choice(str(name), str(name)))


def _badge(choice: Choice) -> Markup:
    color = choice.color if choice.color in COLORS else "plain"
    return Markup('<span class="tag tag-{}">{}</span>').format(color, choice.title)


def _yes(value: Any) -> str:
    return "Yes" if value else "No"


def _label(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return "withheld" if value.get("_restricted") else str(value.get("label") or "(no title)")


def _dialled(value: str) -> str:
    if phone.read(value) is not None:
        return value
    return "".join(c for c in value if c.isdigit() or c == "+")


def _month(value: str) -> str:
    try:
        return f"{date.fromisoformat(f'{value}-01'):%b %Y}"
    except ValueError:
        return value


def _stars(field: Field, value: int) -> Markup:
    most = signs.stars(field)
    drawn = "★" * min(value, most) + "☆" * (most - value)
    return Markup(
        '<span class="stars" aria-hidden="true">{}</span><span class="visually-hidden">{} of {}</span>'
    ).format(drawn, value, most)


def _swatch(field: Field, value: str) -> Markup:
    return Markup(
        '<svg class="swatch" viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1" fill="{}"/></svg> {}'
    ).format(value, value)


def _url(field: Field, value: str) -> Markup:
    if not value.lower().startswith(("http://", "https://")):
        return escape(value)
    shown = value.split("://", 1)[1].rstrip("/")
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(value, shown)
