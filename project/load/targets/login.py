"""How the engine says who it is: a login of the site, or a token in a header."""

from __future__ import annotations

import aiohttp

from project.load.errors import TargetUnreachable


async def log_in(http: aiohttp.ClientSession, origin: str, username: str, password: str) -> dict[str, str]:
    """The header of a login. Raises TargetUnreachable when it is refused, and what aiohttp raises."""
    form = {"username": username, "password": password}
    async with http.post(f"{origin}/login", data=form, allow_redirects=False) as response:
        if response.status not in (302, 303) or not response.cookies:
            raise TargetUnreachable(f"The login of {username} was refused ({response.status})")
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items())
    return {"Cookie": cookies}
