"""HTTP for integrators: generic routes over the model in force, with an OpenAPI document made of it."""

from xrm.api.routes import create_api, routes

__all__ = ["create_api", "routes"]
