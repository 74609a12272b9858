"""xrm.yaml and XRM_* variables → Settings.

A variable wins over the file, the file over the default. Unknown keys are errors. A setting is documented by its
line here: docs/reference/settings.md is made from it.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from xrm.errors import Issue, ModelError

SHORTEST_KEY = 32  # characters
_FORMS = {"base_url": r"https?://[^/?#\s@]+(/[^?#\s]*)?", "smtp": r"smtps?://([^@/\s]+@)?[^@/?#\s]+/?"}
_HINTS = {"base_url": "like https://crm.example.com", "smtp": "like smtp://user:password@mail.example.com:587"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How one site runs; immutable."""

    folder: Path = field(default=Path(), metadata={"help": "The site's folder; holds xrm.yaml and entities/."})
    title: str = field(default="xrm", metadata={"help": "Name of the site, shown in the navigation."})
    database: str = field(
        default="sqlite:///xrm.db",
        metadata={"help": "sqlite:///file (relative to the site's folder) or postgresql://user:password@host/name."},
    )
    secret_key: tuple[str, ...] = field(
        default=(),
        repr=False,
        metadata={
            "help": "Keys of encrypted fields, at least 32 characters each; the first encrypts, all decrypt. Set it by"
            " XRM_SECRET_KEY; without one, a key is made in a file beside the database."
        },
    )
    currency: str = field(default="EUR", metadata={"help": "Currency of amounts given without one (ISO 4217)."})
    country: str = field(
        default="DE",
        metadata={"help": "Country of telephone numbers and addresses given without one (ISO 3166-1 alpha-2)."},
    )
    time_zone: str = field(default="UTC", metadata={"help": "Time zone pages show times in (IANA name)."})
    map_url: str = field(
        default="https://www.openstreetmap.org/?mlat={lat}&mlon={lng}#map=16/{lat}/{lng}",
        metadata={"help": "Page that a place links to, with {lat} and {lng}; none = a place is plain text."},
    )
    plugins: tuple[str, ...] = field(
        default=("*",), metadata={"help": "Plugins to load, in any order; * means every plugin that is found."}
    )
    host: str = field(default="127.0.0.1", metadata={"help": "Address to listen on."})
    port: int = field(default=8000, metadata={"help": "Port to listen on."})
    allowed_hosts: tuple[str, ...] = field(
        default=("localhost", "127.0.0.1", "[::1]"),
        metadata={"help": "Host names requests may be addressed to; others are refused."},
    )
    base_url: str = field(
        default="",
        metadata={"help": "Address people reach the site at; links in mails begin with it. Empty: host and port."},
    )
    smtp: str = field(
        default="",
        repr=False,
        metadata={
            "help": "Mail server: smtp://user:password@host:587 (STARTTLS where it is offered) or smtps://…:465."
            " Empty: no mail is sent, and links are shown to who makes them. Set it by XRM_SMTP."
        },
    )
    mail_from: str = field(
        default="xrm <xrm@localhost>", metadata={"help": "Sender of mails, such as Acme <crm@acme.example>."}
    )
    invitation_days: int = field(default=7, metadata={"help": "An invitation can be used for so many days."})
    reset_minutes: int = field(
        default=60, metadata={"help": "A link for a new password can be used for so many minutes."}
    )
    security_log_days: int = field(
        default=365,
        metadata={"help": "Days that the security log keeps sign-ins, refusals and changes of access."},
    )
    cors_origins: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Origins whose pages may ask /api with an API key, such as https://portal.example.com; cookies are"
            " never taken from them."
        },
    )
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Networks of the proxies in front of the site, such as 127.0.0.1 or 10.0.0.0/24: only what they say"
            " of a client's address (X-Forwarded-For) is believed."
        },
    )
    secure_cookies: bool = field(default=False, metadata={"help": "Mark cookies Secure; set it behind TLS."})
    session_hours: int = field(default=12, metadata={"help": "A session ends after so many hours without use."})
    session_days: int = field(default=30, metadata={"help": "A session ends after so many days in any case."})
    max_body: int = field(default=10_000_000, metadata={"help": "Largest request body, bytes."})
    files: str = field(
        default="var/files", metadata={"help": "Folder of the contents of files, relative to the site's folder."}
    )
    max_file: int = field(default=25_000_000, metadata={"help": "Largest file, bytes."})
    upload_hours: int = field(
        default=24, metadata={"help": "Hours an upload waits for its record, and a content nobody names for its sweep."}
    )
    rate_limit: int = field(
        default=6000, metadata={"help": "Requests one user, or one address, may make in 5 minutes."}
    )
    statement_seconds: float = field(default=5.0, metadata={"help": "Longest time one query may take, seconds."})
    synchronous: str = field(
        default="full", metadata={"help": "SQLite: full survives power loss, normal survives a crash of xrm only."}
    )
    outgoing: bool = field(
        default=True,
        metadata={
            "help": "Whether the site tells others anything: webhooks, mail. False in a copy made by `xrm env fork`."
        },
    )
    outbound_allow: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Networks inside that the site itself may connect to (webhooks, identity providers), such as"
            " 10.1.0.0/16; without one, only addresses of the public Internet."
        },
    )
    outbound_seconds: float = field(default=10.0, metadata={"help": "Longest time another server may take, seconds."})
    outbound_bytes: int = field(default=1_000_000, metadata={"help": "Largest answer of another server, bytes."})
    read_only: bool = field(
        default=False,
        metadata={"help": "Refuse all writes of records in this process; `xrm readonly on` does in all."},
    )
    metrics_token: str = field(
        default="",
        repr=False,
        metadata={
            "help": "Bearer token by which /metrics may be read, at least 32 characters; without one, only this machine"
            " may, and nobody through a proxy that says whom it speaks for."
        },
    )
    log_json: bool = field(default=False, metadata={"help": "Write the log as one JSON value per line."})
    jobs_at_once: int = field(
        default=4, metadata={"help": "Jobs that one process runs at the same time; see docs/guide/operating.md."}
    )
    log_level: str = field(default="info", metadata={"help": "debug, info, warning or error."})

    @property
    def files_folder(self) -> Path:
        """The folder of the contents of files."""
        return (self.folder / self.files).resolve()

    @property
    def address(self) -> str:
        """The address of the site as people reach it, without a slash at its end."""
        return self.base_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def key_file(self) -> Path:
        """Where keys of encrypted fields are kept that are not in the settings: beside an SQLite database."""
        url = self.database_url
        if url.startswith("sqlite:///"):
            return Path(url.removeprefix("sqlite:///") + ".key")
        return self.folder / "xrm.key"

    @property
    def database_url(self) -> str:
        """The database with a relative SQLite path made absolute against the site's folder."""
        prefix = "sqlite:///"
        if not self.database.startswith(prefix):
            return self.database
        path = self.database.removeprefix(prefix)
        return prefix + str((self.folder / path).resolve())


def load_settings(folder: Path, environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Return the settings of the site in `folder`.

    Raises:
        ModelError: xrm.yaml or a variable is wrong; each Issue names which.
    """
    issues: list[Issue] = []
    known = {f.name: f for f in dataclasses.fields(Settings) if f.name != "folder"}
    values: dict[str, Any] = {}
    for name, value in _file_values(folder, issues).items():
        _take(values, known, name, value, f"xrm.yaml: {name}", issues)
    for name in known:
        variable = f"XRM_{name.upper()}"
        if text := (os.environ if environment is None else environment).get(variable):
            _take(values, known, name, text, variable, issues)
    if not re.fullmatch("[A-Z]{2}", str(values.get("country", "DE"))):
        issues.append(Issue("country", "wrong_setting", "This is no country code.", "two capital letters, such as DE"))
    for name, pattern in _FORMS.items():
        if values.get(name) and not re.fullmatch(pattern, values[name]):
            issues.append(Issue(name, "wrong_setting", "This is no such address.", _HINTS[name]))
    issues += _places(values)
    if any(len(key) < SHORTEST_KEY for key in values.get("secret_key", ())):
        issues.append(Issue("secret_key", "wrong_setting", f"A key has at least {SHORTEST_KEY} characters."))
    if 0 < len(str(values.get("metrics_token", ""))) < SHORTEST_KEY:
        issues.append(Issue("metrics_token", "wrong_setting", f"A token has at least {SHORTEST_KEY} characters."))
    if issues:
        raise ModelError("The settings are not valid", issues)
    return Settings(folder=folder.resolve(), **{**values, **overrides})


def _places(values: Mapping[str, Any]) -> list[Issue]:
    """Return what is wrong with settings that name origins and networks."""
    found = []
    for origin in values.get("cors_origins", ()):
        if not re.fullmatch(r"https?://[a-z0-9.:\[\]-]+", origin):
            found.append(Issue("cors_origins", "wrong_setting", f"{origin!r} is no origin.", "like https://a.example"))
    for name in ("outbound_allow", "trusted_proxies"):
        found += _networks(name, values.get(name, ()))
    return found


def _networks(name: str, texts: Sequence[str]) -> list[Issue]:
    found = []
    for text in texts:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            found.append(Issue(name, "wrong_setting", f"{text!r} is no network.", "like 10.1.0.0/16 or 192.0.2.7"))
    return found


def _file_values(folder: Path, issues: list[Issue]) -> Mapping[str, Any]:
    path = folder / "xrm.yaml"
    if not path.is_file():
        return {}
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        issues.append(Issue("xrm.yaml", "not_yaml", str(error)))
        return {}
    if found is not None and not isinstance(found, dict):
        issues.append(Issue("xrm.yaml", "not_mapping", "The file must hold `name: value` lines."))
        return {}
    return {str(k): v for k, v in (found or {}).items()}


def _take(
    values: dict[str, Any], known: Mapping[str, Any], name: str, value: Any, where: str, issues: list[Issue]
) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see docs/reference/settings.md"
        issues.append(Issue(where, "unknown_setting", f"There is no setting {name!r}.", hint))
        return
    try:
        values[name] = _convert(value, known[name].default)
    except (TypeError, ValueError) as error:
        issues.append(Issue(where, "wrong_setting", str(error)))


def _convert(value: Any, like: Any) -> Any:
    if isinstance(like, tuple):
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise TypeError("must be a list")
        return tuple(str(item).strip() for item in items)
    if isinstance(like, bool):
        words = {"true": True, "1": True, "false": False, "0": False}
        if str(value).lower() not in words:
            raise ValueError("must be true or false")
        return words[str(value).lower()]
    if isinstance(like, (int, float)):
        number = type(like)(value)
        if number <= 0:
            raise ValueError("must be greater than 0")
        return number
    if not isinstance(value, (str, int, float)):
        raise TypeError("must be one value")
    return str(value)
