// The console: its tabs, and the beat at which they ask the site. What is shown says when it is not up to date.
import { api } from "../api/index.mjs";
import { byId } from "./dom.js";
import { showOverview } from "./overview.js";
import { showLog } from "./log.js";
import { showNotices } from "./notices.js";
import { showStatistics } from "./statistics.js";
import { startClient } from "./client.js";
import { followLoad, showRuns } from "./load.js";
import { words } from "../words.js";

const EVERY_MS = 2000;
const STALE_MS = 7000;
const live = byId("live");
const tabs = [...document.querySelectorAll("[role=tab]")];
let heard = 0;
let ended = false;
let asking = false;
let again = false;

const onTab = {
  overview: async () => {},
  requests: showLog,
  notifications: async () => showNotices(await api.ipcMonitorNotificationsList()),
  methods: showStatistics,
  testing: async () => { await followLoad(); await showRuns(); },
};

const chosen = () => tabs.find((tab) => tab.getAttribute("aria-selected") === "true").id.replace("tab-", "");

function choose(name, focus) {
  for (const tab of tabs) {
    const isChosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !isChosen;
    if (isChosen && focus) tab.focus();
    if (isChosen && heard) tab.scrollIntoView({ block: "nearest", inline: "center" });
  }
  history.replaceState(null, "", `#${name}`);
  refresh();
}

function showLive() {
  const age = Date.now() - heard;
  const state = ended ? "ended" : heard && age < STALE_MS ? "live" : heard ? "stale" : "loading";
  live.className = `live live-${state}`;
  if (state === "loading") return;
  const text = live.dataset[state].replace("{n}", Math.round(age / 1000));
  if (live.textContent !== text) live.textContent = text;
}

async function refresh() {
  if (document.hidden || ended) return;
  if (asking) { again = true; return; }
  asking = true;
  try {
    const overview = await api.ipcMonitorOverviewRetrieve();
    showOverview(overview, chosen() === "overview");
    for (const [name, number] of Object.entries(overview.counts)) {
      const badge = document.querySelector(`[data-count="${name}"]`);
      badge.textContent = number > 9999 ? "9999+" : number;
      badge.classList.toggle("is-warning", name === "overview" && number > 0);
    }
    if (!heard) tabs.find((tab) => tab.tabIndex === 0).scrollIntoView({ block: "nearest", inline: "center" }); // the counts moved them
    await onTab[chosen()]();
    heard = Date.now();
  } catch (error) {
    ended = error.status === 401;
  }
  asking = false;
  showLive();
  if (again) { again = false; refresh(); }
}

byId("panel-overview").parentElement.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
  const at = tabs.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  choose(tabs[(to + tabs.length) % tabs.length].id.replace("tab-", ""), true);
});
for (const tab of tabs) tab.addEventListener("click", () => choose(tab.id.replace("tab-", "")));
document.addEventListener("console:refresh", refresh);
document.addEventListener("console:tab", (event) => choose(event.detail));
document.addEventListener("visibilitychange", refresh);
document.addEventListener("notice", refresh);
addEventListener("hashchange", () => { if (byId(`tab-${location.hash.slice(1)}`)) choose(location.hash.slice(1)); });
for (const option of document.querySelectorAll("[data-outcome]")) option.textContent = words(`o_${option.dataset.outcome}`) ?? option.textContent;
startClient();
setInterval(refresh, EVERY_MS);
setInterval(showLive, 1000);
choose(byId(`tab-${location.hash.slice(1)}`) ? location.hash.slice(1) : "overview");
