"""A new site: one command makes it, one serves it, and a link that it prints lets the first administrator in."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import httpx
import pytest

from tests.stories.serving import command, environment, free_port

WORD = "a long enough one"


@pytest.mark.story
def test_nobody_has_a_default_password_and_one_link_lets_the_first_in(tmp_path):
    folder, database, port = tmp_path / "acme", f"sqlite:///{tmp_path}/x.db", free_port()
    command(tmp_path, database, "new", str(folder))
    words = [sys.executable, "-m", "xrm", "--site", str(folder), "serve", "--no-studio", "--port", str(port)]
    variables = {**environment(database), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = [server.stdout.readline() for _ in range(3)]
            link = re.search(rf"http://127\.0\.0\.1:{port}/set-up/\S+", "".join(said))[0]
            sent = {"name": "Ann", "email": "ann@example.com", "password": WORD, "again": WORD}
            with httpx.Client() as ann:
                assert "Set up this site" in ann.get(link).text
                assert ann.post(link, data=sent).headers["location"] == "/"
                assert ann.get(f"http://127.0.0.1:{port}/account").status_code == 200
            with httpx.Client() as eve:
                assert eve.post(link, data=sent).status_code == 404
        finally:
            server.terminate()
            assert server.wait(20) == 0
    assert "ann@example.com" in command(folder, database, "user", "list")


def test_a_database_of_an_earlier_version_is_told_to_be_applied(tmp_path):
    folder, database = tmp_path / "acme", f"sqlite:///{tmp_path}/x.db"
    command(tmp_path, database, "new", str(folder))
    command(folder, database, "apply")
    _forget_table(tmp_path / "x.db", "xrm_link")
    words = [sys.executable, "-m", "xrm", "--site", str(folder), "serve", "--no-studio", "--port", str(free_port())]
    done = subprocess.run(
        words, env={**os.environ, **environment(database)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "run `xrm apply`" in done.stderr
    assert "xrm_link" in done.stderr
    assert "in force" in command(folder, database, "apply")
    assert command(folder, database, "user", "invite", "ann@example.com").startswith("http")


def _forget_table(path, name):
    """Take a table back out of a database and its journal, as an earlier version left them."""
    import json
    import sqlite3

    with sqlite3.connect(path) as base:
        base.execute(f'DROP TABLE "{name}"')
        ((schema,),) = base.execute('SELECT "schema" FROM "xrm_journal"').fetchall()
        told = json.loads(schema)
        told = {id: table for id, table in told.items() if table["name"] != name}
        base.execute('UPDATE "xrm_journal" SET "schema" = ?', [json.dumps(told)])
    base.close()
