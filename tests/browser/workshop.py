"""A small site with the widgets that the company's own model does not use, in a temporary folder.

Run as a program it serves that site: ``python -m tests.browser.workshop <folder> <port>``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from tests.browser.company import PASSWORD
from xrm import web
from xrm.http import application
from xrm.testing import make_site

FILES = {
    "entities/task.yaml": """
entity: task
label: "{name}"
fields:
  name: {type: text, required: true}
  notes: markdown
  story: rich_text
  country: {type: choice, choices: {de: Germany, fr: France}}
  city:
    type: choice
    depends_on: country
    choices: {bonn: {title: Bonn, when: de}, ulm: {title: Ulm, when: de}, lyon: {title: Lyon, when: fr}, sea: At sea}
  sights:
    type: choices
    depends_on: country
    choices: {rhine: {title: Rhine, when: de}, rhone: {title: Rhone, when: fr}}
  people: {type: relation, to: person, many: true}
  done_on: date
buttons:
  finish: {title: Finish, icon: check2, confirm: Is it done?, when: "done_on == null", set: {done_on: today()}}
record_types:
  errand: {description: Something outside.}
  chore: {title: House work, hidden: [city, country, sights]}
""",
    "entities/person.yaml": """
entity: person
label: "{name}"
search: [name]
fields: {name: {type: text, required: true}}
""",
    "entities/roles.yaml": """
role: worker
grants: [{entity: [task, person, task_people], actions: ["*"]}]
""",
}


async def serve(folder: str, port: int) -> None:
    """Serve the site until the process is told to stop."""
    async with make_site(Path(folder), f"sqlite:///{folder}/site.db", FILES, rate_limit=100_000) as site:
        rep = await site.person("Rep", "worker")
        assert rep.id is not None
        await site.accounts.set_password(rep.id, PASSWORD)
        for name in ("Ann Adams", "Ben Brown", "Bea Black"):
            await site.system.create("person", {"name": name})
        app = application(site.site, web.routes(site.site))
        await uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", access_log=False)).serve()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
