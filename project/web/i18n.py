"""Languages of the pages: Chinese and English, by ``Accept-Language`` or by choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from flask import Flask, request
from flask_babel import Babel, get_locale
from flask_bootstrap import Bootstrap5

from project.web.policy import visitor

LANGUAGES: Final = {"zh": "中文", "en": "English"}
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

    @app.context_processor
    def known() -> dict[str, Any]:
        return {"visitor": visitor(), "language": str(get_locale() or "en"), "languages": LANGUAGES}
