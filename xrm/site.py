"""A site put together for the edges: its kernel and its accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from xrm.builtin.operating.metrics import Metrics
from xrm.builtin.people.accounts import Accounts
from xrm.kernel.kernel import Kernel, utc_now
from xrm.settings import Settings


@dataclass(frozen=True, slots=True)
class Site:
    """One running site, as the edges (HTTP, pages, command line) get it."""

    kernel: Kernel
    accounts: Accounts
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def settings(self) -> Settings:
        """How the site runs."""
        return self.kernel.settings


@asynccontextmanager
async def open_site(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[Site]:
    """Open a site and close it at the end.

    Raises:
        Unavailable: the database cannot be reached.
        ModelError: the model in its journal can no longer be read.
    """
    kernel = await Kernel.open(settings, clock)
    accounts = Accounts(kernel)
    try:
        yield Site(kernel, accounts)
    finally:
        await accounts.close()
        await kernel.close()
