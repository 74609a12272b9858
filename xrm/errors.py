"""Every error a caller may meet, and Issue, the one shape of a finding.

    XrmError                status  code
      ├─ ModelError          422    model_invalid
      ├─ Invalid             422    invalid
      ├─ TooExpensive        422    query_too_expensive
      ├─ Malformed           400    malformed
      ├─ Unauthenticated     401    unauthenticated
      ├─ Forbidden           403    forbidden
      ├─ NotFound            404    not_found
      ├─ Conflict            409    conflict
      ├─ Precondition        412    version_mismatch
      ├─ PreconditionNeeded  428    version_required
      ├─ TooLarge            413    too_large
      ├─ UnsupportedMedia    415    unsupported_media_type
      ├─ TooManyRequests     429    too_many_requests
      ├─ Unavailable         503    unavailable
      └─ StorageFull         507    storage_full

An error knows its HTTP status so that no edge needs a table of them (RFC 9457 problem+json is made from these
attributes alone). Messages are for people and never contain a value the actor may not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: what is wrong, where, and how to mend it.

    Attributes:
        path: Where, in the words of whoever must mend it: ``amount`` (a field), ``lines.2.price`` (a nested
            field) or ``entities/deal.yaml:13:11`` (a place in a file).
        code: Stable machine-readable code in snake case, e.g. ``required`` or ``unknown_entity``.
        message: One sentence for a person.
        hint: How to mend it, or empty.
        severity: ``error`` refuses; ``warning`` is told and let through.
    """

    path: str
    code: str
    message: str
    hint: str = ""
    severity: str = "error"

    def to_dict(self) -> dict[str, str]:
        """Return the finding as the JSON object every edge shows."""
        shown = {"path": self.path, "code": self.code, "message": self.message}
        if self.hint:
            shown["hint"] = self.hint
        if self.severity != "error":
            shown["severity"] = self.severity
        return shown

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.path}: {self.message}{hint}" if self.path else f"{self.message}{hint}"


class XrmError(Exception):
    """What is raised when a caller's wish cannot be granted; never raised for a defect of ours."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Error"

    def __init__(self, message: str = "", issues: Sequence[Issue] = (), **details: Any) -> None:
        self.message = message or self.title
        self.issues = tuple(issues)
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {issue}" for issue in self.issues)])


class ModelError(XrmError):
    """The definitions of a site are wrong; ``issues`` say where."""

    status, code, title = 422, "model_invalid", "The model is not valid"


class Invalid(XrmError):
    """Values of a record are refused; ``issues`` name the fields, all at once."""

    status, code, title = 422, "invalid", "Some values need your attention"


class TooExpensive(XrmError):
    """A query would take too long or too much; ``issues`` say what to leave out."""

    status, code, title = 422, "query_too_expensive", "This query takes too much"


class Malformed(XrmError):
    """The request itself cannot be read (not JSON, unknown parameter, number out of range)."""

    status, code, title = 400, "malformed", "The request cannot be read"


class Unauthenticated(XrmError):
    """Nobody is signed in, or the token is not (or no longer) good."""

    status, code, title = 401, "unauthenticated", "Please sign in"


class Forbidden(XrmError):
    """The actor may read this but not do that."""

    status, code, title = 403, "forbidden", "You may not do this"


class NotFound(XrmError):
    """There is no such thing, or the actor may not know of it: the two look the same."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(XrmError):
    """The wish collides with what is already there (unique value, record in use)."""

    status, code, title = 409, "conflict", "This conflicts with what is already there"


class Precondition(XrmError):
    """Somebody else changed the record since it was read (If-Match, RFC 9110 §13.1.1)."""

    status, code, title = 412, "version_mismatch", "The record was changed in the meantime"


class PreconditionNeeded(XrmError):
    """An update or delete without the version it is based on (RFC 6585 §3)."""

    status, code, title = 428, "version_required", "Say which version you are changing"


class TooLarge(XrmError):
    """The body or the page asked for is larger than the site allows."""

    status, code, title = 413, "too_large", "Too large"


class UnsupportedMedia(XrmError):
    """The body is of a type this route does not take."""

    status, code, title = 415, "unsupported_media_type", "Send application/json"


class TooManyRequests(XrmError):
    """The actor asked too often; ``retry_after`` in details, seconds."""

    status, code, title = 429, "too_many_requests", "Too many requests"


class ReadOnly(XrmError):
    """The site takes no writes for now."""

    status, code, title = 503, "read_only", "The site is read-only for now"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "Nothing can be changed for now; everything can be read.", retry_after=60)


class Unavailable(XrmError):
    """The site or its database cannot answer just now; ``retry_after`` in details, seconds."""

    status, code, title = 503, "unavailable", "Not available just now"


class StorageFull(XrmError):
    """The disk of the database is full; nothing was written."""

    status, code, title = 507, "storage_full", "The storage is full"


class NothingGoesOut(XrmError):
    """This site is to tell others nothing: the setting ``outgoing`` is off, as in a copy made to try something."""

    status, code, title = 503, "nothing_goes_out", "Nothing goes out from here"

    def __init__(self) -> None:
        super().__init__("Nothing goes out from here: the setting `outgoing` is off.")


class Unreachable(XrmError):
    """Another server that was to be asked does not answer, or not within the limits; trying again may help."""

    status, code, title = 502, "unreachable", "Another server does not answer"


class AddressRefused(Unreachable):
    """The site does not connect to this address: it is none, or one inside its own network."""

    status, code, title = 422, "address_refused", "This address is not asked"
