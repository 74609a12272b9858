"""Client: the studio's only way to the site, its HTTP interface, with the visitor's own session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from xrm.errors import Issue

TIMEOUT = 60.0  # seconds; a plan counts records
LONG = 3600.0  # seconds; an apply may convert all of them, and says meanwhile how far it is


class Problem(Exception):
    """What the site answered instead of what was asked for (RFC 9457).

    Attributes:
        status: HTTP status; 0 when the site did not answer at all.
        code: Stable and machine-readable.
        title: What kind of problem.
        message: What is the matter this time.
        issues: Findings.
        details: Further members of the answer.
    """

    def __init__(self, status: int, data: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(data.get("code", ""))
        self.title = str(data.get("title", "The site did not answer as expected"))
        self.message = str(data.get("detail", ""))
        self.issues = tuple(issue_of(found) for found in data.get("issues", ()))
        self.details = data
        super().__init__(self.message or self.title)


class Client:
    """The site's HTTP interface, as one visitor.

    Args:
        http: Sends requests to the site's address.
        token: The visitor's session.
        host: The name the visitor knows the site under.
    """

    def __init__(self, http: httpx.Client, token: str, host: str = "") -> None:
        self._http = http
        self._headers = {"authorization": f"Bearer {token}", "x-xrm-client": "studio"}
        if host:
            self._headers["host"] = host

    def me(self) -> dict[str, Any]:
        """Return who the visitor is: id, name, email, roles, capabilities."""
        return self._ask("GET", "/api/me")

    def model(self) -> dict[str, Any]:
        """Return the model in force, with its sources."""
        return self._ask("GET", "/api/model")

    def check(self, files: Mapping[str, str]) -> list[Issue]:
        """Return the findings about the definitions with `files` in place of those on disk."""
        answer = self._ask("POST", "/api/model/check", {"files": dict(files)})
        return [issue_of(found) for found in answer["issues"]]

    def plan(self, files: Mapping[str, str]) -> dict[str, Any]:
        """Return what applying `files` would do: hash, steps, issues, warnings, diffs, empty."""
        return self._ask("POST", "/api/model/plan", {"files": dict(files)})

    def apply(self, files: Mapping[str, str], plan_hash: str, consent: list[str]) -> dict[str, Any]:
        """Put `files` in force and have them written: generation, steps, written, issues."""
        body = {"files": dict(files), "hash": plan_hash, "consent": consent}
        return self._ask("POST", "/api/model/apply", body, LONG)

    def progress(self) -> dict[str, Any]:
        """Return how far the change of the model is that is carried out now, and what waits after it."""
        return self._ask("GET", "/api/model/progress")

    def history(self) -> list[dict[str, Any]]:
        """Return the generations, newest first."""
        generations: list[dict[str, Any]] = self._ask("GET", "/api/model/history?limit=100")["generations"]
        return generations

    def plan_back(self, generation: int) -> dict[str, Any]:
        """Return what going back to a generation would do: hash, steps, issues, diffs, empty."""
        return self._ask("POST", "/api/model/rollback", {"generation": generation, "dry_run": True})

    def go_back(self, generation: int, plan_hash: str, consent: list[str]) -> dict[str, Any]:
        """Go back to a generation and have its files written: generation, steps, written, issues."""
        body = {"generation": generation, "hash": plan_hash, "consent": consent}
        return self._ask("POST", "/api/model/rollback", body, LONG)

    def kept(self) -> list[dict[str, Any]]:
        """Return what is kept of values that changes of the model took away, the oldest first."""
        found: list[dict[str, Any]] = self._ask("GET", "/api/model/kept")["kept"]
        return found

    def purge(self, generation: int) -> list[dict[str, Any]]:
        """Remove what a generation took away for good; return what that was."""
        gone: list[dict[str, Any]] = self._ask("POST", "/api/model/purge", {"generation": generation})["purged"]
        return gone

    def count(self, entity: str) -> tuple[int, bool] | None:
        """Return how many records of an entity the visitor may read, and whether that is exact; None = may not."""
        try:
            found = self._ask("GET", f"/api/{entity}?limit=1&fields=id&count=true")["count"]
        except Problem:
            return None
        return int(found["value"]), bool(found["exact"])

    def _ask(self, method: str, path: str, body: Any = None, timeout: float = TIMEOUT) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, json=body, headers=self._headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise Problem(0, {"title": "The site does not answer", "detail": str(error)}) from error
        data = _json(response)
        if not response.is_success:
            raise Problem(response.status_code, data)
        return data


def issue_of(found: Mapping[str, str]) -> Issue:
    """Return a finding of an answer."""
    hint, severity = found.get("hint", ""), found.get("severity", "error")
    return Issue(found.get("path", ""), found.get("code", ""), found.get("message", ""), hint, severity)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        data = response.json()
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {}
