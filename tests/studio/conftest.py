"""The studio's screens without a browser: Streamlit's own test runner, and a site that answers from files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from studio import desk as desks
from tests.studio.samples import MACHINE, PLATFORM, PLUGIN, ROLES
from xrm.metadata import read_layer, review
from xrm.metadata.model import Source

USER = "019aa000-0000-7000-8000-000000000001"
APP = Path(desks.__file__).with_name("app.py")


class PaperSite:
    """Answers like a site: the model from files, plans and generations from lists that tests fill.

    Attributes:
        folder: Its folder.
        capabilities: Of whoever asks.
        plan: What the next plan says, beside its differences.
        applied: The bodies of all calls of apply, and of going back.
        kept: What is kept of values that were taken away.
        refuse: Status and body of the answer to the next apply, instead of doing it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.capabilities = ["*"]
        self.plan: dict[str, Any] = {
            "hash": "h1",
            "base": 1,
            "steps": [],
            "issues": [],
            "warnings": [],
            "diffs": {},
            "empty": False,
        }
        self.applied: list[dict[str, Any]] = []
        self.kept: list[dict[str, Any]] = []
        self.refuse: tuple[int, dict[str, Any]] | None = None
        self.in_force = self.sources()
        self.signed_in = True

    def sources(self, files: dict[str, str] | None = None) -> tuple[Source, ...]:
        own = {s.file: s.text for s in read_layer("site", self.folder / "entities", "entities/")} | (files or {})
        return (
            Source("people", "people/entities/all.yaml", PLATFORM),
            Source("crm_sales", "crm_sales/entities/deal.yaml", PLUGIN),
            *(Source("site", name, own[name]) for name in sorted(own) if own[name]),
        )

    def text(self, file: str) -> str:
        return (self.folder / file).read_text("utf-8")

    def drafted(self) -> dict[str, str]:
        """What is in the visitor's draft."""
        path = self.folder / "var" / "studio" / f"{USER}.json"
        return {n: c["text"] for n, c in json.loads(path.read_text())["files"].items()} if path.exists() else {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if not self.signed_in:
            return httpx.Response(401, json={"code": "unauthenticated", "title": "Please sign in"})
        body = json.loads(request.content) if request.content else {}
        if path == "/api/me":
            return httpx.Response(200, json={"id": USER, "name": "Ada <b>", "capabilities": self.capabilities})
        if path == "/api/model":
            return httpx.Response(200, json=self.model())
        if path == "/api/model/check":
            issues = review(self.sources(body["files"])).issues
            return httpx.Response(200, json={"issues": [issue.to_dict() for issue in issues]})
        if path == "/api/model/plan":
            return httpx.Response(
                200, json={**self.plan, "diffs": {file: f"+{text}" for file, text in body["files"].items()}}
            )
        if path == "/api/model/apply":
            return self.apply(body)
        if path == "/api/model/history":
            made = {"at": "2026-11-02T09:00:00Z", "actor": {"label": "Ada"}, "steps": []}
            numbers = range(self.model()["generation"], 0, -1)
            return httpx.Response(200, json={"generations": [{"generation": n, **made} for n in numbers]})
        if path.startswith("/api/model/"):
            return self.past(path, body)
        return httpx.Response(200, json={"records": [], "count": {"value": 7, "exact": True}})

    def model(self) -> dict[str, Any]:
        entities = [
            {
                "name": e.name,
                "fields": [
                    {"name": f.name, "choices": [{"name": c.name} for c in f.choices]} for f in e.fields.values()
                ],
            }
            for e in review(self.in_force).model.entities.values()
        ]
        layers = list(dict.fromkeys(s.layer for s in self.in_force))
        sources = [{"layer": s.layer, "file": s.file, "text": s.text} for s in self.in_force]
        return {"generation": 1 + len(self.applied), "entities": entities, "layers": layers, "sources": sources}

    def past(self, path: str, body: dict[str, Any]) -> httpx.Response:
        kept = self.kept
        if path == "/api/model/kept":
            return httpx.Response(200, json={"kept": kept})
        if path == "/api/model/purge":
            self.kept = []
            return httpx.Response(200, json={"purged": kept, "dry_run": False})
        if body.get("dry_run"):
            return httpx.Response(200, json=self.plan)
        self.applied.append(body)
        return httpx.Response(200, json={"generation": 1 + len(self.applied), "steps": [], "issues": []})

    def apply(self, body: dict[str, Any]) -> httpx.Response:
        if self.refuse is not None:
            (status, answer), self.refuse = self.refuse, None
            return httpx.Response(status, json=answer)
        self.applied.append(body)
        self.in_force = self.sources(body["files"])
        for file, text in body["files"].items():
            (self.folder / file).write_text(text, "utf-8")
        return httpx.Response(200, json={"generation": 1 + len(self.applied), "steps": [], "issues": []})


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PaperSite]:
    (tmp_path / "entities").mkdir()
    (tmp_path / "entities" / "machine.yaml").write_text(MACHINE, "utf-8")
    (tmp_path / "entities" / "roles.yaml").write_text(ROLES, "utf-8")
    site = PaperSite(tmp_path)
    http = httpx.Client(base_url="http://127.0.0.1:1", transport=httpx.MockTransport(site))
    monkeypatch.setattr(desks, "_http", lambda address: http)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield site
    http.close()


@pytest.fixture
def screen(paper: PaperSite) -> Callable[..., AppTest]:
    """Return a function that opens a screen of the studio."""

    def opened(screen: str = "", **query: str) -> AppTest:
        test = AppTest.from_file(str(APP), default_timeout=30)
        test.secrets["site"] = {"folder": str(paper.folder), "address": "http://127.0.0.1:1"}
        for key, value in query.items():
            test.query_params[key] = value
        if screen:
            test.switch_page(f"screens/{screen}.py")
        return test.run()

    return opened
