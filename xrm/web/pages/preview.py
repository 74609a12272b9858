"""What a text with a layout will look like, for the button beside it."""

from __future__ import annotations

from typing import Any

from litestar import Response

from xrm.kernel.fieldtypes.text import MAX_TEXT
from xrm.web import markup
from xrm.web.render import Renderer, html
from xrm.web.sent import body
from xrm.web.visit import PageVisit


async def preview(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Return Markdown or HTML that is being written as it will be shown."""
    sent = await body(visit)
    text = str(sent.get("text", ""))[:MAX_TEXT]
    return html(markup.markdown(text) if sent.get("kind") == "markdown" else markup.rich(text))
