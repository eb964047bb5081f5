"""Every room of the site, one line each, and how they are put into an app."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from project.web import (
    account,
    admin,
    audit,
    auth,
    chat,
    clients,
    console,
    console_charts,
    console_openapi,
    console_testing,
    dead_letters,
    files,
    health,
    inbox,
    pages,
    people,
    sdk,
    second_factor,
    stream,
    submissions,
)
from project.web.errors import set_up_errors
from project.web.i18n import set_up_languages
from project.web.policy import check_policies, enforce
from project.web.site import NoFlaskSession, Site
from project.web.uploads import MOST_PARTS, MOST_TEXT_BYTES, UploadRequest, bound_body, discard_received

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    pages.blueprint,
    auth.blueprint,
    account.blueprint,
    second_factor.blueprint,
    submissions.blueprint,
    chat.blueprint,
    stream.blueprint,
    files.blueprint,
    sdk.blueprint,
    clients.blueprint,
    admin.blueprint,
    dead_letters.blueprint,
    inbox.blueprint,
    people.blueprint,
    audit.blueprint,
    console.blueprint,
    console_testing.blueprint,
    console_openapi.blueprint,
    console_charts.blueprint,
    health.blueprint,
)


def set_up_web(app: Flask, site: Site) -> None:
    """Register every room, the error answers, the languages; refuse an app with an endpoint without a policy."""
    app.extensions["spaces"] = site
    app.request_class = UploadRequest
    app.session_interface = NoFlaskSession()
    app.config.update(
        MAX_CONTENT_LENGTH=site.settings.max_upload_bytes + MOST_TEXT_BYTES,
        MAX_FORM_MEMORY_SIZE=MOST_TEXT_BYTES,
        MAX_FORM_PARTS=MOST_PARTS,
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    set_up_languages(app)
    set_up_errors(app)
    app.teardown_request(discard_received)
    app.before_request(bound_body)
    enforce(app)
    check_policies(app)
    if site.settings.proxy_hops:
        hops = site.settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
