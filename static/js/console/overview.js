// The tab Overview: how the site is just now.
import { words } from "../words.js";
import { byId, cell, count, fill, head, make, ms } from "./dom.js";

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
    item.querySelector("[data-part=state]").textContent = words(ok ? "ok" : "bad");
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

/** What was before, and whether that is better or worse. */
export function verdict(one) {
  const kind = { worse: "state-failed", better: "state-completed", same: "state-cancelled", unknown: "state-cancelled" }[one.verdict];
  return make("span", { class: `state ${kind}` }, words(one.verdict));
}

export const before = (one) => (one.before ? words("before", { n: ms(one.before.p95_ms), m: count(one.before.failures), k: count(one.before.count) }) : words("never"));

function showWorkers(workers) {
  fill(byId("overview-workers"), workers.map((one) => make("tr", {},
    head(one.part), cell("l_space", one.name), cell("l_requests", count(one.count)), cell("l_failed", count(one.failures)),
    make("td", { "data-label": "p50" }, make("span", { class: "cell" }, ms(one.p50_ms))), make("td", { "data-label": "p95" }, make("span", { class: "cell" }, ms(one.p95_ms))),
    cell("l_before", before(one), one.before ? " " : "", one.before ? verdict(one) : ""))));
}

function showSpaces(served) {
  fill(byId("overview-spaces"), served.map((one) => make("tr", {},
    head(make("a", { href: `/ai_project/${one.space_id}` }, one.name)),
    cell("l_connected", one.workers.length ? one.workers.map((worker) => worker.worker_id + (worker.draining ? ` (${words("draining")})` : "")).join(", ") : words("no_worker")),
    cell("l_queue", count(one.queue_size)))));
}

/** Charts are pictures of the site: they are asked for again now and then, and when the colours change. */
export function drawCharts(panel) {
  const theme = document.documentElement.dataset.bsTheme;
  const look = new URLSearchParams({ theme, width: innerWidth < 600 ? 420 : 900, offset: -new Date().getTimezoneOffset() });
  for (const image of panel.querySelectorAll("[data-chart]")) {
    const next = new Image();
    next.onload = () => { image.src = next.src; image.width = next.naturalWidth; image.height = next.naturalHeight; };
    next.src = `/cfg/ipc/charts/${image.dataset.chart}.svg?${look}&at=${Date.now()}`;
  }
}

export function showOverview(overview, isShown) {
  showHealth(overview.health);
  if (!isShown) return;
  showNumbers(overview);
  showWorkers(overview.workers);
  showSpaces(overview.served);
  if (Date.now() - drawn > CHARTS_MS) {
    drawn = Date.now();
    drawCharts(byId("panel-overview"));
  }
}

new MutationObserver(() => drawCharts(byId("panel-overview"))).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
