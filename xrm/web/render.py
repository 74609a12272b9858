"""Pages from templates: the environment, what every page shares, and notices that outlive a redirect."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup

from xrm.kernel.policy import roles_key
from xrm.metadata.model import Entity
from xrm.web.show import duration, initials, short, singular
from xrm.web.visit import PageVisit, url

HERE = Path(__file__).parent
STATIC = HERE / "static"
NOTICE = "xrm_notice"
NOTICE_SECONDS = 60
MAX_NOTICE = 1_500  # characters; a cookie holds 4,096 bytes
URL_SAFE = "/?#[]@!$&'()*+,;=:%"  # what has a meaning in a URL (RFC 3986 §2), and what is encoded already
KINDS = frozenset({"success", "warning", "danger", "info"})


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says at its top, once.

    Attributes:
        kind: success | warning | danger | info.
        text: The sentence.
        link: A path that goes with it, or empty.
        link_text: The words of the link.
    """

    kind: str
    text: str
    link: str = ""
    link_text: str = ""


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """One entity in the navigation."""

    entity: Entity
    creatable: bool


class Renderer:
    """Renders the pages of one site."""

    def __init__(self) -> None:
        self.environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=400,
        )
        assets = _fingerprints()
        self.environment.globals.update(asset=lambda name: f"/static/{name}?v={assets.get(name, '0')}", url=url)
        self.environment.filters.update(short=short, initials=initials, duration=duration, singular=singular)

    def part(self, visit: PageVisit, template: str, /, **context: Any) -> Markup:
        """Return a template's text."""
        text = self.environment.get_template(template).render(visit=visit, show=visit.show, **context)
        return Markup(text)  # noqa: S704  # a template's own output, escaped where it took values in

    def page(self, visit: PageVisit, template: str, status: int = 200, /, **context: Any) -> Response[str]:
        """Return a whole page."""
        notices, clear = _taken(visit)
        shared = {
            "visit": visit,
            "show": visit.show,
            "site": visit.settings.title,
            "person": visit.someone,
            "navigation": navigation(visit) if visit.someone else {},
            "csrf": visit.csrf,
            "notices": [*notices, *context.pop("notices", [])],
        }
        text = self.environment.get_template(template).render({**shared, **context})
        return html(text, status, [clear] if clear else [])

    def bare(self, template: str, status: int, /, **context: Any) -> Response[str]:
        """Return a page that needs neither a person nor a model: for errors."""
        return html(self.environment.get_template(template).render(context), status)


def html(text: str, status: int = 200, cookies: list[Cookie] | None = None, **headers: str) -> Response[str]:
    """Return an HTML answer that nobody may keep: it depends on who asks, and on whether htmx does."""
    shared = {"cache-control": "no-store", "vary": "hx-request, hx-request-type, cookie"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        text, status_code=status, media_type="text/html", headers={**shared, **named}, cookies=cookies or []
    )


def go(visit: PageVisit, path: str, *notices: Notice) -> Response[str]:
    """Return the answer that leads to another page after a write, with what is to be said there."""
    cookies = [_notice_cookie(visit, notices)] if notices else []
    target = quote(path, safe=URL_SAFE)  # a header holds no other letters and no ends of lines
    if visit.partial:
        return html("", 200, cookies, hx_redirect=target)
    return Response("", status_code=303, headers={"location": target, "cache-control": "no-store"}, cookies=cookies)


def navigation(visit: PageVisit) -> Mapping[str, list[NavigationEntry]]:
    """Return the entities the actor may read, by heading; made once per generation and set of roles."""
    key = ("web", "navigation", roles_key(visit.actor))
    found: Mapping[str, list[NavigationEntry]] = visit.live.cached(key, lambda: _navigation(visit))
    return found


def _navigation(visit: PageVisit) -> Mapping[str, list[NavigationEntry]]:
    """Return the navigation: the site's own entities first; in each group what is worked with most comes first."""
    groups: dict[str, list[Entity]] = {}
    for entity in visit.live.policy.entities(visit.actor):
        if entity.group != "-" and not entity.removed:
            groups.setdefault(entity.group or "More", []).append(entity)
    ordered = sorted(
        groups, key=lambda g: (min(map(_distance, groups[g])), -max(weight(visit, e) for e in groups[g]), g)
    )
    return {
        group: [
            NavigationEntry(e, visit.may(e.name, "create"))
            for e in sorted(groups[group], key=lambda e: (-weight(visit, e), e.plural))
        ]
        for group in ordered
    }


def _distance(entity: Entity) -> int:
    layer = entity.origin.layer
    return 0 if layer == "site" else 2 if layer in ("people", "xrm.people") or layer.startswith("xrm") else 1


def weight(visit: PageVisit, entity: Entity) -> int:
    """Return how central an entity is: those with a history, a workflow and records pointing to them come first."""
    pointed = len([i for i in visit.live.model.inverses.get(entity.name, ()) if i.name])
    return 8 * entity.timeline + 4 * (entity.workflow is not None) + 2 * entity.owned + pointed


def kept_cookie(visit: PageVisit, name: str, value: str, path: str, seconds: int) -> Cookie:
    """Return a cookie that only this site's server reads; 0 seconds take it away."""
    secure = visit.settings.secure_cookies
    return Cookie(key=name, value=value, path=path, max_age=seconds, httponly=True, samesite="lax", secure=secure)


# --- notices ------------------------------------------------------------------------------------------------------


def _notice_cookie(visit: PageVisit, notices: tuple[Notice, ...]) -> Cookie:
    kept = [[n.kind, n.text[:MAX_NOTICE], n.link, n.link_text] for n in notices]
    while len(text := base64.urlsafe_b64encode(msgspec.json.encode(kept)).decode()) > 3_000 and kept:
        kept.pop()
    return kept_cookie(visit, NOTICE, text, "/", NOTICE_SECONDS)


def _taken(visit: PageVisit) -> tuple[list[Notice], Cookie | None]:
    """Return the notices a page before left, and the cookie that takes them away."""
    text = visit.request.cookies.get(NOTICE, "")
    if not text:
        return [], None
    clear = kept_cookie(visit, NOTICE, "", "/", 0)
    try:
        rows = msgspec.json.decode(base64.urlsafe_b64decode(text), type=list[tuple[str, str, str, str]])
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        return [], clear
    return [Notice(*row) for row in rows if row[0] in KINDS and _local(row[2])], clear


def _local(path: str) -> bool:
    return not path or (path.startswith("/") and not path.startswith(("//", "/\\")))


def _fingerprints() -> Mapping[str, str]:
    """Return a short hash per static file: its URL changes when the file does."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.is_file() and path.suffix in (".css", ".js", ".svg", ".png", ".woff2"):
            found[path.relative_to(STATIC).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return found
