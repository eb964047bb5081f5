"""What the outermost layer answers when it lets a request no further: JSON, or a bare page for a browser.

It stands before the app, so it knows no templates and no languages; its page is in English.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from project.errors import SpacesError

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{status}</title>
<script src="/static/js/theme.js"></script>
<link rel="stylesheet" href="/bootstrap/static/css/bootstrap.min.css">
<link rel="stylesheet" href="/static/css/site.css">
</head>
<body><main class="container fault"><p class="error-status">{status}</p><h1>{message}</h1>
<p class="help"><code>{code}</code></p><a class="btn btn-primary" href="/">To the spaces</a></main></body>
</html>
"""


CHAT: Final = "/v1/"


def json_of(error: SpacesError, path: str) -> dict[str, object]:
    """The JSON of an error at an address. Behind ``CHAT`` its ``error`` is what client libraries look for there."""
    body = error.as_dict()
    return body | {"error": chat_error(error)} if path.startswith(CHAT) else body


def chat_error(error: SpacesError) -> dict[str, object]:
    """An error as the chat completions API tells it."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {"message": error.message, "type": kind, "param": error.field, "code": error.code}


def refusal(error: SpacesError, environ: Mapping[str, Any]) -> tuple[str, bytes]:
    """The content type and the body of the answer to a refused request."""
    if not _is_person(environ):
        return "application/json", json.dumps(json_of(error, str(environ.get("PATH_INFO", "")))).encode()
    page = _PAGE.format(status=error.status, message=escape(error.message), code=escape(error.code))
    return "text/html; charset=utf-8", page.encode()


def _is_person(environ: Mapping[str, Any]) -> bool:
    """Whether a browser shows the answer as a page; scripts say that they fetch it, programs want no HTML."""
    navigates = environ.get("HTTP_SEC_FETCH_MODE", "navigate") == "navigate"
    return navigates and "text/html" in str(environ.get("HTTP_ACCEPT", ""))
