"""The definitions of this repository: complete, in the form the studio writes, and with rights for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrm.kernel.kernel import BUILTIN, check_expression
from xrm.kernel.plugins import load_plugins
from xrm.metadata.load import read_layer
from xrm.metadata.merge import build, review
from xrm.metadata.write import format_text

pytestmark = pytest.mark.story

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for pattern in ("entities/**/*.yaml", "plugins/*/entities/*.yaml", "xrm/builtin/*/entities/*.yaml")
    for path in ROOT.glob(pattern)
)
MAIN = ("party", "contact_point", "connection", "activity", "product", "order", "order_line", "lead", "deal", "ticket")


@pytest.fixture(scope="module")
def sources():
    plugins = load_plugins(ROOT, ("*",), BUILTIN)
    assert plugins.issues == ()
    return [*plugins.sources(), *read_layer("site", ROOT / "entities", "entities/")]


@pytest.fixture(scope="module")
def model(sources):
    return build(sources, check_expression)


def test_nothing_is_wrong_with_them(sources):
    assert review(sources, check_expression).issues == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_they_are_in_the_form_the_studio_writes(path):
    text = path.read_text("utf-8")
    assert format_text(text) == text


def test_every_entity_has_a_list_and_a_form_with_all_that_a_person_may_fill_in(model):
    for entity in model.entities.values():
        kinds = {view.kind for view in entity.views.values()}
        assert {"list", "form"} <= kinds, entity.name
        shown = {name for section in entity.views["form"].sections for name in section.fields}
        hidden = {f.name for f in entity.fields.values() if f.writable} - shown
        assert hidden <= {"owner", "unit", entity.workflow.field if entity.workflow else ""}, entity.name


def test_every_field_type_is_in_use(model):
    used = {field.type for entity in model.entities.values() for field in entity.fields.values() if not field.system}
    assert used >= {
        "text", "long_text", "integer", "decimal", "money", "percent", "boolean", "date", "time", "datetime", "choice",
        "choices", "relation", "email", "phone", "url", "tags", "json", "auto_number", "duration",
    }  # fmt: skip


@pytest.mark.parametrize("role", ["admin", "sales_manager", "sales_rep", "reader", "service_agent"])
def test_every_role_reads_what_its_work_is_about(model, role):
    granted = {grant.entity for grant in model.roles[role].grants if {"read", "*"} & set(grant.actions)}
    needed = set(MAIN) - ({"lead", "deal"} if role == "service_agent" else set())
    assert "*" in granted or needed <= granted


def test_a_reader_writes_nothing_and_sees_nothing_confidential(model):
    for grant in model.roles["reader"].grants:
        assert grant.actions == ("read",)
        assert "confidential" not in grant.read
        assert "*" not in grant.read
        assert grant.write == ()


def test_only_the_administrator_changes_users_and_the_model(model):
    for name, role in model.roles.items():
        if name == "admin":
            continue
        assert not {"*", "model.edit", "users.edit"} & set(role.capabilities)
        for grant in role.grants:
            assert grant.entity not in ("user", "team_member", "*") or grant.actions == ("read",), (name, grant)
