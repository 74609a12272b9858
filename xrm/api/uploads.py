"""Files over HTTP: sent before their record, and fetched through it, with the rights of record and field.

A file is always answered as an attachment that runs nothing; only thumbnails, drawn anew, are shown in pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException

from xrm.errors import Malformed, NotFound, TooLarge
from xrm.http.answers import Answer, Stream, answer
from xrm.http.caller import header, signed_in
from xrm.http.reading import AnyRequest, read_query, record_id
from xrm.kernel.files.content import CHUNK
from xrm.kernel.files.media import IMAGES
from xrm.site import Site

OVERHEAD = 65_536  # bytes a multipart body may have besides its file
RUNS_NOTHING = "sandbox; default-src 'none'"


class UploadRoutes:
    """The routes /api/files and /api/{entity}/{id}/files/{field}."""

    def __init__(self, site: Site) -> None:
        self._kernel, self._largest = site.kernel, site.settings.max_file

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        path = "/api/{entity:str}/{id:str}/files/{field:str}"
        return [
            post("/api/files", request_max_body_size=self._largest + OVERHEAD)(self.send),
            get(path)(self.fetch),
            get(f"{path}/thumbnail")(self.thumbnail),
        ]

    async def send(self, request: AnyRequest) -> Answer:
        """Take a file in: the body itself, named by ``?name=``, or the part ``file`` of a multipart form."""
        actor = signed_in(request)
        name = read_query(request, frozenset({"name"})).get("name", "")
        try:
            if header(request.scope, b"content-type").partition(";")[0].strip().lower() == "multipart/form-data":
                part = (await request.form()).get("file")
                if not isinstance(part, UploadFile):
                    raise Malformed("The form has no file called 'file'.")
                upload = await self._kernel.files.receive(name or part.filename, actor.id, pieces_of(part))
            else:
                upload = await self._kernel.files.receive(name, actor.id, request.stream())
        except HTTPException as error:
            if error.status_code == 413:
                raise TooLarge(f"A file may have {self._largest:,} bytes.") from None
            raise Malformed("The file is not complete.") from None
        except (ValueError, KeyError) as error:
            raise Malformed("The form cannot be read.") from error
        return answer({"file": upload.token, **upload.file._asdict()}, 201)

    async def fetch(self, request: AnyRequest) -> Answer:
        """Answer with the file of a record."""
        files, value = self._kernel.files, await self._value(request)
        size = files.size(value["digest"])
        if size is None:
            raise NotFound("The content of this file is missing.")
        headers = {
            "content-disposition": disposition(value["name"]),
            "content-length": str(size),
            "content-security-policy": RUNS_NOTHING,
            "x-content-type-options": "nosniff",
            "cache-control": "private, no-store",
        }
        return Stream(files.read(value["digest"]), value["media"].encode("latin-1", "replace"), headers)

    async def thumbnail(self, request: AnyRequest) -> Answer:
        """Answer with the thumbnail of a record's picture."""
        files, value = self._kernel.files, await self._value(request)
        made = await asyncio.to_thread(files.thumbnail, value["digest"]) if value["media"] in IMAGES else None
        if made is None:
            raise NotFound("There is no picture here.")
        headers = {"content-security-policy": RUNS_NOTHING, "cache-control": "private, max-age=300"}
        return Answer(made, 200, b"image/webp", headers)

    async def _value(self, request: AnyRequest) -> dict[str, Any]:
        """Return what a record says of its file, as far as the caller may read it."""
        actor, entity, name = signed_in(request), request.path_params["entity"], request.path_params["field"]
        access = self._kernel.live.policy.access(actor, entity, "read")
        field = access.entity.fields.get(name) if access else None
        if access is None or field is None or field.type not in ("file", "image") or access.gives(name) is None:
            raise NotFound("There is no such file.")
        record = await self._kernel.records.get(actor, entity, record_id(request), (name,))
        found: dict[str, Any] | None = record.get(name)
        if found is None:
            raise NotFound("There is no such file.")
        return found


async def pieces_of(part: UploadFile) -> AsyncIterator[bytes]:
    """Yield the content of a file of a form."""
    while piece := await part.read(CHUNK):
        yield piece


def disposition(name: str) -> str:
    """Return the header that makes an attachment of a file, its name as RFC 6266 and RFC 8187 write it."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
