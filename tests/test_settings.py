"""Settings: a variable wins over the file, the file over the default; anything unknown is an error that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrm.errors import ModelError
from xrm.settings import load_settings


def test_variables_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "xrm.yaml").write_text("title: Shop\nport: 9000\nplugins: [crm_sales]\n", "utf-8")
    found = load_settings(
        tmp_path, {"XRM_PORT": "9001", "XRM_SECURE_COOKIES": "true", "XRM_ALLOWED_HOSTS": "a.example, b.example"}
    )
    assert (found.title, found.port, found.plugins, found.secure_cookies) == ("Shop", 9001, ("crm_sales",), True)
    assert found.allowed_hosts == ("a.example", "b.example")
    assert found.currency == "EUR"


def test_a_relative_database_is_in_the_sites_folder(tmp_path: Path) -> None:
    assert (
        load_settings(tmp_path, {"XRM_DATABASE": "sqlite:///var/x.db"}).database_url == f"sqlite:///{tmp_path}/var/x.db"
    )
    url = "postgresql://u:p@host/name"
    assert load_settings(tmp_path, {"XRM_DATABASE": url}).database_url == url


@pytest.mark.parametrize(
    ("text", "variables", "place", "words"),
    [
        ("titel: x\n", {}, "xrm.yaml: titel", "did you mean 'title'?"),
        ("port: many\n", {}, "xrm.yaml: port", "invalid literal"),
        ("port: -1\n", {}, "xrm.yaml: port", "greater than 0"),
        ("- a\n", {}, "xrm.yaml", "lines"),
        ("a: [\n", {}, "xrm.yaml", "expected"),
        ("", {"XRM_SECURE_COOKIES": "perhaps"}, "XRM_SECURE_COOKIES", "true or false"),
        ("title: [a]\n", {}, "xrm.yaml: title", "one value"),
        ("plugins: {a: 1}\n", {}, "xrm.yaml: plugins", "list"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, variables: dict[str, str], place: str, words: str) -> None:
    (tmp_path / "xrm.yaml").write_text(text, "utf-8")
    with pytest.raises(ModelError) as caught:
        load_settings(tmp_path, variables)
    assert caught.value.issues[0].path == place
    assert words in str(caught.value)
