"""Desk: what one visitor works on in one run of a page: who they are, the model in force, their draft over it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import streamlit as st

from studio.client import Client, Problem
from studio.draft import SITE, Draft, draft_file, load, save
from studio.edits import Texts
from xrm.errors import Issue, ModelError
from xrm.metadata import Review, read_layer, review
from xrm.metadata.model import Entity, Field, Model, Source

COOKIES = ("xrm_session", "__Host-xrm_session")
EDIT = "model.edit"
TROUBLE = "trouble"  # key of what the last edit was refused for, until it was shown


@dataclass(frozen=True)
class Desk:
    """One visitor's work.

    Attributes:
        client: The site, as this visitor.
        person: What /api/me says.
        answer: What /api/model says: the model in force.
        disk: The definition files of all layers; the site's as they are on disk.
        draft: What the visitor changed and has not applied.
        path: Where the draft is kept.
    """

    client: Client
    person: Mapping[str, Any]
    answer: Mapping[str, Any]
    disk: tuple[Source, ...]
    draft: Draft
    path: Path

    @property
    def may_edit(self) -> bool:
        """Whether the visitor may change the model."""
        return bool({"*", EDIT} & set(self.person["capabilities"]))

    @property
    def generation(self) -> int:
        """The number of the generation in force."""
        return int(self.answer["generation"])

    @cached_property
    def waiting(self) -> tuple[str, ...]:
        """The files that were changed on disk, by hand or by another program, and not applied."""
        in_force = {found["file"]: found["text"] for found in self.answer["sources"] if found["layer"] == SITE}
        disk = {source.file: source.text for source in self.disk if source.layer == SITE}
        return tuple(sorted(file for file in {*in_force, *disk} if in_force.get(file) != disk.get(file)))

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The definition files with the draft's in place."""
        return self.draft.over(self.disk)

    @cached_property
    def review(self) -> Review:
        """The model as it would be with the draft, as far as it can be understood."""
        return _review(_key(self.sources), self.sources)

    @property
    def model(self) -> Model:
        """The model as it would be with the draft."""
        return self.review.model

    @cached_property
    def findings(self) -> tuple[Issue, ...]:
        """What the site finds in the definitions with the draft, expressions included."""
        if not self.draft or not self.may_edit:
            return self.review.issues
        return _findings((self.generation, _key(self.sources)), self.client, self.draft.texts)

    @cached_property
    def applied(self) -> Mapping[str, frozenset[str]]:
        """The entities in force, each with the names of its fields."""
        return {e["name"]: frozenset(f["name"] for f in e["fields"]) for e in self.answer["entities"]}

    def known(self, entity: str, field: Field) -> str:
        """Return the name under which the database knows a field; empty = it does not."""
        names = self.applied.get(entity, frozenset())
        return next((name for name in (field.was, field.name) if name in names), "")

    @cached_property
    def below(self) -> Model:
        """The model without what the site itself says: what its extensions change."""
        others = tuple(source for source in self.disk if source.layer != SITE)
        return _review(_key(others), others).model

    def layer(self, entity: Entity) -> str:
        """Return who defines an entity: the site, a plugin, or the platform itself."""
        return entity.origin.layer

    def keep(self, texts: Texts) -> Desk:
        """Return the desk after an edit, which is kept at once.

        Raises:
            ModelError: The visitor may not change the model.
        """
        if not self.may_edit:
            raise ModelError("Your roles let you see the model, not change it.")
        return self.put(self.draft.edited(texts, self.disk))

    def put(self, draft: Draft) -> Desk:
        """Return the desk with another draft, which is kept at once."""
        save(self.path, draft)
        return replace(self, draft=draft)


def open_desk() -> Desk:
    """Return the desk of the visitor of this session.

    Raises:
        Problem: The site does not answer, or the visitor is not, or no longer, signed in.
    """
    site = st.secrets["site"]
    folder = Path(site["folder"])
    token = next((st.context.cookies[name] for name in COOKIES if name in st.context.cookies), "")
    client = Client(_http(site["address"]), token, st.context.headers.get("host") or "")
    person, answer = client.me(), client.model()
    others = tuple(Source(**found) for found in answer["sources"] if found["layer"] != SITE)
    own = read_layer(SITE, folder / "entities", "entities/")
    path = draft_file(folder, UUID(person["id"]))
    return Desk(client, person, answer, (*others, *own), load(path), path)


def edit(make: Callable[[Desk], Texts]) -> bool:
    """Make an edit and keep it; what is wrong with it is remembered and shown by the next run.

    Args:
        make: Returns the texts that change.

    Returns:
        Whether it was made.
    """
    try:
        desk = open_desk()
        desk.keep(make(desk))
    except (ModelError, Problem) as error:
        st.session_state[TROUBLE] = (str(getattr(error, "message", "") or error), tuple(error.issues))
        return False
    return True


@st.cache_resource
def _http(address: str) -> httpx.Client:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would write down every address
    return httpx.Client(base_url=address, trust_env=False)


@st.cache_resource(max_entries=50, show_spinner=False)
def _review(key: int, _sources: Sequence[Source]) -> Review:
    return review(_sources)


@st.cache_resource(max_entries=50, show_spinner=False)
def _findings(key: tuple[int, int], _client: Client, _texts: Mapping[str, str]) -> tuple[Issue, ...]:
    return tuple(_client.check(_texts))


def _key(sources: Sequence[Source]) -> int:
    return hash(sources)


def current_desk() -> Desk:
    """Return the desk the frame opened for this run."""
    desk: Desk = st.session_state["desk"]
    return desk
