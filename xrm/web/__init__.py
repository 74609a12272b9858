"""Pages for people: lists, records, forms and boards, made from the model and rendered on the server."""

from xrm.web.routes import routes

__all__ = ["routes"]
