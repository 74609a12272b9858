"""The OpenAPI 3.1 document, made of the model in force for one set of roles."""

from xrm.api.openapi.document import make_document

__all__ = ["make_document"]
