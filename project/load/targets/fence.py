"""Keeps a run at the addresses it was permitted: a target that answers with a redirect does not send the load on."""

from __future__ import annotations

import aiohttp

from project.load.permission import origin_of
from project.load.targets.base import LedElsewhere


class Fence:
    """A session's middleware: every request, also one that follows a redirect, passes it or is not sent."""

    def __init__(self, *urls: str):
        self._origins = {origin_of(url) for url in urls}

    def admits(self, url: str) -> bool:
        """Whether requests may go there."""
        return origin_of(url) in self._origins

    def admit(self, url: str) -> None:
        """Let requests go to one more address."""
        self._origins.add(origin_of(url))

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request, or raise LedElsewhere."""
        if not self.admits(str(request.url)):
            raise LedElsewhere(f"it redirects to {request.url.origin()}")
        return await handler(request)
