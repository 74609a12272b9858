"""What both edges, the API and the pages, share: who asks, errors as problems, headers, forged requests, limits."""

from xrm.http.application import application

__all__ = ["application"]
