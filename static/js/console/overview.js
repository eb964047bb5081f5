// The tab Overview: how the site is just now.
import { words } from "../words.js";
import { byId, cell, count, failures, fill, head, icon, make, meaning, ms, number, when, whole } from "./dom.js";
import { showLogOf } from "./log.js";
import { before, verdict } from "./verdict.js";

const CHARTS_MS = 10000;
let drawn = 0;

const details = {
  store: (detail) => words("store_detail", { n: count(detail.read_ms) }),
  bus: (detail) => (detail.kind === "in_process" ? words("bus_detail") : words("bus_between", { n: detail.kind })),
  workers: (detail) => words("workers_detail", { n: detail.connected, m: detail.spaces }),
  queues: (detail) => words(detail.unserved ? "queues_unserved" : "queues_detail", { n: detail.open, m: detail.unserved }),
};

function showHealth(parts) {
  for (const { name, ok, detail } of parts) {
    const item = document.querySelector(`[data-health="${name}"]`);
    item.className = ok ? "is-good" : "is-bad";
    const state = item.querySelector("[data-part=state]");
    if (state.dataset.ok !== String(ok)) state.replaceChildren(icon(ok ? "check_circle" : "error"), words(ok ? "ok" : "bad"));
    state.dataset.ok = ok;
    item.querySelector("[data-part=detail]").textContent = details[name](detail);
  }
}

function showNumbers({ minutes, served }) {
  const total = (list, key) => list.reduce((sum, one) => sum + one[key], 0);
  const numbers = {
    // The minute that is under way would look like a drop.
    minute: minutes.at(-2)?.count ?? 0,
    hour: total(minutes, "count"),
    failed: total(minutes, "failures"),
    open: total(served, "queue_size"),
  };
  for (const [name, value] of Object.entries(numbers)) document.querySelector(`[data-number="${name}"]`).textContent = count(value);
}

/** What failed in the last hour and why; each leads to its entries in the log. */
function showReasons(reasons) {
  fill(byId("overview-reasons"), reasons.map((one) => make("tr", {},
    head(meaning(one.code), " ", make("code", { class: "why-code" }, one.code)), whole("l_method", one.name), number("l_count", count(one.count)), number("l_last", when(one.last)),
    cell("l_log", make("button", { type: "button", class: "btn btn-sm btn-outline-secondary", click: () => showLogOf({ outcome: "failure", source: one.source, method: one.filter, text: one.code }) },
      words("show_them"), make("span", { class: "visually-hidden" }, ` ${one.name} ${one.code}`))))), "nothing_failed");
}

function showWorkers(workers) {
  fill(byId("overview-workers"), workers.map((one) => make("tr", {},
    head(one.part), whole("l_space", one.name), number("l_requests", count(one.count)), number("l_failed", failures(one.failures)),
    number("p50", ms(one.p50_ms)), number("p95", ms(one.p95_ms)), before(one), whole("l_verdict", verdict(one)))), "no_work");
}

function showSpaces(served) {
  fill(byId("overview-spaces"), served.map((one) => make("tr", {},
    head(make("a", { href: `/ai_project/${one.space_id}` }, one.name)),
    cell("l_connected", one.workers.length ? one.workers.map((worker) => worker.worker_id + (worker.draining ? ` (${words("draining")})` : "")).join(", ") : words("no_worker")),
    number("l_queue", count(one.queue_size)))), "no_spaces");
}

/** Charts are pictures of the site: they are asked for again now and then, and when the colours change. */
export function drawCharts(panel) {
  const theme = document.documentElement.dataset.bsTheme;
  const look = new URLSearchParams({ theme, width: innerWidth < 600 ? 420 : 900, offset: -new Date().getTimezoneOffset() });
  for (const image of panel.querySelectorAll("[data-chart]")) {
    const next = new Image();
    const like = image.dataset.like ? `&like=${encodeURIComponent(image.dataset.like)}` : "";
    next.onload = () => { image.src = next.src; image.width = next.naturalWidth; image.height = next.naturalHeight; };
    next.src = `/cfg/ipc/charts/${image.dataset.chart}.svg?${look}${like}&at=${Date.now()}`;
  }
}

export function showOverview(overview, isShown) {
  showHealth(overview.health);
  if (!isShown) return;
  showNumbers(overview);
  showReasons(overview.reasons);
  showWorkers(overview.workers);
  showSpaces(overview.served);
  if (Date.now() - drawn > CHARTS_MS) {
    drawn = Date.now();
    drawCharts(byId("panel-overview"));
  }
}

new MutationObserver(() => drawCharts(byId("panel-overview"))).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
