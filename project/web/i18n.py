"""Languages of the pages: Chinese and English, by ``Accept-Language`` or by choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from flask import Flask, request
from flask_babel import Babel, get_locale
from flask_bootstrap import Bootstrap5

from project.errors import TryLater
from project.web.policy import visitor
from project.web.site import current_site
from project.web.words import audit_detail, audit_words, explain, page_words, reason

LANGUAGES: Final = {"zh": "中文", "en": "English"}
TAGS: Final = {"zh": "zh-CN", "en": "en"}
"""What a page says of its language: Chinese characters are drawn by it."""
COOKIE: Final = "spaces_language"
TRANSLATIONS: Final = Path(__file__).resolve().parent.parent / "translations"


def language() -> str:
    """The language of this request: chosen, else preferred by the browser, else English."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(list(LANGUAGES), default="en") or "en"


def set_up_languages(app: Flask) -> None:
    """Languages, Bootstrap's files, and what every template knows."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    Babel(app, locale_selector=language)
    Bootstrap5(app)
    # Macros of another template see globals only, not what a page is given.
    app.jinja_env.globals.update(
        explain=explain, page_words=page_words, reason=reason, audit_words=audit_words, audit_detail=audit_detail
    )

    @app.context_processor
    def known() -> dict[str, Any]:
        chosen = str(get_locale() or "en")
        return {
            "visitor": visitor(),
            "unread_count": _unread,
            "language": chosen,
            "language_tags": TAGS,
            "languages": LANGUAGES,
        }


def _unread() -> int:
    """How many notices the visitor has not read; none when the store cannot say, since error pages ask, too."""
    user = visitor()
    try:
        return current_site().console.inbox.unread(user)[0] if user is not None else 0
    except TryLater:
        return 0
