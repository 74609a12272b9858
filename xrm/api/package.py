"""Packages over HTTP: definitions as a zip, and the plan of one that is sent; what applies it is /api/model/apply."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import Any

from litestar import post

from xrm.builtin.packages.archive import pack, unpack
from xrm.builtin.packages.exporting import SITE, Choice, Label, export_package
from xrm.builtin.packages.importing import prepare
from xrm.builtin.packages.manifest import read_package
from xrm.errors import Forbidden, Invalid, Issue, Malformed
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_object, read_query, take
from xrm.kernel.change import Actor
from xrm.site import Site

EDIT = "model.edit"
EVERYTHING = "*"


class PackageRoutes:
    """The route /api/model/package."""

    def __init__(self, site: Site) -> None:
        self._kernel = site.kernel

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [post("/api/model/package", status_code=200)(self.package)]

    async def package(self, request: AnyRequest) -> Answer:
        """Answer with a package (`export`), or with the plan and the files of one that is sent (`import`)."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, EDIT)
        body = await read_object(request)
        if len(body) != 1 or not body.keys() <= {"export", "import"}:
            raise Malformed(issues=[Issue("body", "one_of", "Send either `export` or `import`.")])
        if "export" in body:
            return await self._export(take(body, export=dict)["export"])
        return await self._import(actor, take(body, **{"import": str})["import"])

    async def _export(self, wanted: Mapping[str, Any]) -> Answer:
        asked = take(
            wanted,
            layer=(str, SITE),
            entities=(list[str], []),
            name=(str, "package"),
            title=(str, ""),
            version=(str, "1.0.0"),
        )
        choice = Choice(asked["layer"], tuple(asked["entities"]))
        label = Label(asked["name"], asked["title"], asked["version"])
        package, coverage = await asyncio.to_thread(export_package, self._kernel, choice, label)
        content = base64.b64encode(pack(package.written())).decode()
        return answer({"package": content, "coverage": coverage.to_dict()})

    async def _import(self, actor: Actor, text: str) -> Answer:
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Malformed(issues=[Issue("import", "not_base64", "The package must be base64.")]) from None
        package = read_package(await asyncio.to_thread(unpack, content))
        code = [name for name in package.files if not name.startswith("entities/")]
        if code:
            hint = "import it on the command line: xrm package import"
            found = [Issue(name, "plugin_by_http", "Plugins are not installed over HTTP.", hint) for name in code]
            raise Invalid("This package is not taken", found)
        arrival = await prepare(self._kernel, package)
        if arrival.roles and not self._kernel.live.policy.may(actor, EVERYTHING):
            found = [Issue(name, "role_changed", f"It speaks of the role {name!r}.") for name in arrival.roles]
            raise Forbidden("Packages with roles are imported by administrators only.", found)
        return answer({**arrival.to_dict(), "files": dict(arrival.new)})
