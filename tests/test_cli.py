"""The command line as it is used: a new site, its model, its people; findings as text and as JSON."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from xrm.cli import main


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XRM_DATABASE", raising=False)
    monkeypatch.setenv("XRM_PASSWORD", "a long enough secret")
    site = tmp_path / "acme"
    assert main(["new", str(site)]) == 0
    capsys.readouterr()

    def command(*words: str, code: int = 0) -> str:
        assert main(["--site", str(site), *words]) == code, capsys.readouterr()
        captured = capsys.readouterr()
        return captured.out + captured.err

    command.site = site
    return command


def test_a_new_site_is_checked_planned_and_applied(run) -> None:
    assert "good" in run("check")
    assert "Create contact." in run("plan")
    assert "generation 1 is in force" in run("apply")
    assert "Nothing to do" in run("apply")
    assert "Create contact." in run("history", "--steps")
    assert json.loads(run("history", "--json"))[0]["generation"] == 1
    assert "entities/contact.yaml:11" in run("explain", "contact.email")


def test_findings_name_file_line_and_column(run) -> None:
    path = run.site / "entities" / "contact.yaml"
    path.write_text(path.read_text("utf-8").replace("type: email", "type: emial"), "utf-8")
    text = run("check", code=1)
    assert "entities/contact.yaml:11:" in text
    assert "did you mean 'email'" in text
    found = json.loads(run("check", "--json", code=1))
    assert found["valid"] is False
    assert found["issues"][0]["path"].startswith("entities/contact.yaml:11:")
    assert "the model is not valid" in run("apply", code=1)


def test_a_destructive_step_wants_its_consent(run) -> None:
    run("apply")
    path = run.site / "entities" / "contact.yaml"
    text = path.read_text("utf-8").replace("  notes: {type: long_text}", "  notes: {type: long_text, removed: true}")
    path.write_text(text.replace("phone, notes, owner", "phone, owner"), "utf-8")
    plan = json.loads(run("plan", "--json"))
    step = next(s for s in plan["steps"] if s["severity"] == "destructive")
    assert "consent" in run("apply", code=1)
    assert "in force" in run("apply", "--consent", step["id"], "--hash", plan["hash"])


def test_people(run) -> None:
    run("apply")
    assert "can sign in" in run("user", "add", "Ann@example.com", "--role", "admin", "--name", "Ann")
    assert json.loads(run("user", "list", "--json")) == [
        {"email": "ann@example.com", "name": "Ann", "roles": ["admin"], "active": True}
    ]
    assert run("user", "key", "ann@example.com").startswith("xrm_")
    assert "no user" in run("user", "password", "bob@example.com", code=1)
    invited = run("user", "invite", "cleo@example.com", "--role", "admin")
    assert invited.startswith("http://127.0.0.1:8000/invitation/")
    assert "/invitation/" in run("user", "link", "cleo@example.com")
    assert "/new-password/" in run("user", "link", "ann@example.com")
    assert "role" in run("user", "add", "bob@example.com", "--role", "emperor", code=1)


def test_a_folder_in_use_is_not_overwritten(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(run.site)]) == 1
    assert "not empty" in capsys.readouterr().err


def test_export_and_import(run, tmp_path: Path) -> None:
    run("apply")
    source = tmp_path / "people.csv"
    source.write_text("name,email,phone\nAnn,ann@example.com,+49 30 1\n,,\nBob,not an address,\n", "utf-8")
    report = json.loads(run("import", "contact", str(source), "--json", code=1))
    assert report["created"] == 1
    assert report["read"] == report["created"] + report["updated"] + report["unchanged"] + report["refused"]
    assert "Ann,ann@example.com" in run("export", "contact", "--fields", "name,email")
    assert json.loads(run("export", "contact", "--format", "json").splitlines()[0])["name"] == "Ann"


def test_an_expression_is_explained(run) -> None:
    run("apply")
    text = run("explain-expression", "size(name) > 3 && email != null", "--entity", "contact")
    assert "gives a condition" in text
    assert "├ >  (a condition)" in text
    assert "SQL: " in text
    assert json.loads(run("explain-expression", "name", "--entity", "contact", "--json"))["type"] == "a text"
    assert "unknown field 'nam'" in run("explain-expression", "nam", "--entity", "contact", code=1)


def test_a_decision_is_explained(run) -> None:
    run("apply")
    run("user", "add", "ann@example.com", "--role", "admin", "--name", "Ann")
    run("user", "add", "bob@example.com", "--name", "Bob")
    assert "Yes. Ann may delete" in run("why", "ann@example.com", "delete", "contact")
    text = run("why", "bob@example.com", "read", "contact", "--field", "email", code=1)
    assert "No. No role of Bob gives the right to read" in text
    assert "  - give Bob the role Administrator (admin)" in text
    assert json.loads(run("why", "ann@example.com", "read", "contact", "--json"))["rights"][0]["grants"][0]["held"]
    assert "no active user" in run("why", "nobody@example.com", "read", "contact", code=1)
    assert "not the id of a record" in run("why", "ann@example.com", "read", "contact/7", code=1)


def test_a_dropped_field_comes_back_until_it_is_purged(run) -> None:
    run("apply")
    table = run.site / "contacts.csv"
    table.write_text("name,notes\nAnn,hello\n", "utf-8")
    run("import", "contact", str(table))
    path = run.site / "entities" / "contact.yaml"
    first = path.read_text("utf-8")
    gone = first.replace("  notes: {type: long_text}", "  notes: {type: long_text, removed: true}")
    path.write_text(gone.replace("phone, notes, owner", "phone, owner"), "utf-8")
    step = next(s["id"] for s in json.loads(run("plan", "--json"))["steps"] if s["severity"] == "destructive")
    run("apply", "--consent", step)
    assert "1 value of contact.notes" in run("purge")
    assert "Bring contact.notes back" in run("rollback", "1")
    assert json.loads(run("history", "2", "--json"))["steps"][0]["kind"] == "drop_field"
    assert "files on disk still say otherwise: entities/contact.yaml" in run("rollback", "1", "--yes")
    assert "Nothing to do" in run("rollback", "1", "--yes", "--write-files")
    run("apply", "--consent", step)
    assert "Bring contact.notes back" in run("rollback", "1", "--yes", "--write-files")
    assert path.read_text("utf-8") == first
    assert "Nothing to do" in run("apply")
    assert "Bring contact.notes back" in run("history", "5")
    assert "no generation 99" in run("history", "99", code=1)
    assert "no generation 99" in run("rollback", "99", code=1)
    assert "gone for good" in run("purge", "--older-than", "0", "--yes")
    assert "Nothing is kept" in run("purge")
    assert "contact.notes" in run("history", "6")


def test_a_plan_is_sealed_in_a_file(run, tmp_path: Path) -> None:
    run("apply")
    path, sealed = run.site / "entities" / "contact.yaml", tmp_path / "plan.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace("  notes: {type: long_text}", "  notes: long_text\n  b: text"), "utf-8")
    assert f"--plan {sealed}" in run("plan", "--out", str(sealed))
    assert [s["kind"] for s in json.loads(sealed.read_text("utf-8"))["steps"]] == ["add_field"]
    path.write_text(text.replace("  notes: {type: long_text}", "  notes: long_text\n  c: text"), "utf-8")
    assert "Look at the new plan first" in run("apply", "--plan", str(sealed), code=1)
    run("plan", "--out", str(sealed))
    assert "generation 2 is in force" in run("apply", "--plan", str(sealed))
    sealed.write_text("{}", "utf-8")
    assert "is not a plan" in run("apply", "--plan", str(sealed), code=1)
    assert "is not a plan" in run("apply", "--plan", str(tmp_path / "none.json"), code=1)


def test_doctor(run) -> None:
    run("apply")
    assert "is what the journal says" in run("doctor")
    database = sqlite3.connect(run.site / "xrm.db")
    database.execute("CREATE INDEX xrm_stray ON contact (name)")
    database.close()
    assert "DROP INDEX" in run("doctor", code=1)
    assert json.loads(run("doctor", "--json", code=1))["findings"][0]["code"] == "drift_extra_index"
    assert "is what the journal says" in run("doctor", "--repair")


def test_kept_values_are_verified(run) -> None:
    run("apply")
    assert "Nothing is stale" in run("verify", "computed")
    assert json.loads(run("verify", "computed", "contact", "--json"))[0]["records"] == 0
    assert "There is no entity" in run("verify", "computed", "nothing", code=1)
