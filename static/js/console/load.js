// The load tester: start, follow, stop; the history of runs, comparison, baselines, schedules.
import { api } from "../api/index.mjs";
import { words } from "../words.js";
import { byId, cell, count, failures, fill, head, make, ms, number, pretty, when, whole, why } from "./dom.js";
import { colourField, showJson } from "./json.js";
import { showLogOf } from "./log.js";
import { drawCharts } from "./overview.js";

const FOLLOW_MS = 500;
const note = byId("load-note");
const startButton = byId("start-load-test");
const stopButton = byId("stop-load-test");
let following = null;
let compared = [];
let runs = [];

/** How the generator names what it was answered, as the outcome that it is. */
const OUTCOMES = { http_400: "invalid_params", http_500: "internal_error", http_502: "remote_error", http_503: "unavailable", http_504: "timeout", timeout: "timeout" };
const kindOf = (kind) => words(`o_${OUTCOMES[kind]}`) ?? kind;

const say = (error) => words(`why_${error.body?.code}`) ?? error.body?.error ?? words("unreachable");

function chosenTarget() {
  const text = byId("load-params").value.trim();
  return {
    method: byId("load-method").value,
    total_requests: Number(byId("load-total-requests").value),
    concurrency: Number(byId("load-concurrency").value),
    mode: byId("load-mode").value,
    params: text ? JSON.parse(text) : {},
  };
}

/** The target of the form, or null, having said what is wrong with it. */
function target(problem) {
  try {
    return chosenTarget();
  } catch (error) {
    problem.textContent = words("not_json", { n: error.message });
    return null;
  }
}

async function start() {
  const wanted = target(note);
  if (!wanted) return;
  startButton.disabled = true;
  try {
    const { test_id: testId } = await api.ipcTestLoadStartCreate(wanted);
    note.textContent = words("load_started", { n: testId });
    await followLoad();
  } catch (error) {
    note.textContent = say(error);
    startButton.disabled = false;
  }
}

async function stop() {
  stopButton.disabled = true;
  try {
    await api.ipcTestLoadStopCreate();
    note.textContent = words("load_stopped");
  } catch (error) {
    note.textContent = say(error);
  }
  await followLoad();
  await showRuns();
}

function showProgress(status, report) {
  byId("load-progress").hidden = false;
  // A stress run that found the end of it is over, however many calls it had left.
  byId("load-bar").value = report.state === "finished" ? 100 : status.total ? (100 * status.progress) / status.total : 0;
  byId("load-progress-text").textContent = `${status.progress}/${status.total}`;
  byId("load-success").textContent = count(status.success_count);
  byId("load-failed").textContent = count(status.failed_count);
  byId("load-avg").textContent = ms(status.avg_duration_ms);
  byId("load-rps").textContent = count(status.rps);
  const { result } = report;
  const more = [words("load_more", { a: count(result.p50_ms), b: count(result.p95_ms), c: count(result.p99_ms), d: count(status.elapsed_time), e: status.test_id })];
  if (report.mode === "stress") more.push(words("step", { n: report.steps.length, m: 8, k: report.steps.at(-1)?.concurrency ?? 0 }));
  const reasons = Object.entries(result.errors).map(([kind, often]) => `${kindOf(kind)}: ${count(often)}`);
  byId("load-more").textContent = [...more, ...reasons].join(" · ");
}

/** See how far the load test is; while it runs, twice a second. */
export async function followLoad() {
  const status = await api.ipcTestLoadStatusRetrieve();
  if (status.test_id) showProgress(status, await api.ipcTestLoadRunsRetrieve(status.test_id));
  startButton.disabled = status.running;
  stopButton.disabled = !status.running;
  clearTimeout(following);
  if (status.running && !byId("panel-testing").hidden) {
    following = setTimeout(() => followLoad().catch(() => {}), FOLLOW_MS);
  }
}

const states = { running: "state-processing", finished: "state-completed", stopped: "state-cancelled", failed: "state-failed" };
const stateWords = { running: "running", finished: "finished", stopped: "stopped", failed: "broken" };

function stateOf(run) {
  const parts = [make("span", { class: `state ${states[run.state]}` }, words(stateWords[run.state]))];
  if (run.baseline) parts.push(" ", make("span", { class: "state state-processing" }, words("baseline")));
  if (run.alerts.length) parts.push(" ", make("span", { class: "state state-failed" }, words("alert")), make("span", { class: "about" }, run.alerts.map((one) => words(`a_${one}`)).join(", ")));
  return parts;
}

/** What was called: the method, and of a space its name. */
function targetOf({ method, mode, params }) {
  const space = [...byId("load-method").options].find((one) => one.value === `space:${params.space_id}`);
  return [method, mode === "stress" ? " (stress)" : "", space ? make("span", { class: "about" }, space.textContent) : ""];
}

function choose(id, isChosen) {
  compared = isChosen ? [...compared, id].slice(-2) : compared.filter((one) => one !== id);
  for (const box of document.querySelectorAll("#run-list input")) box.checked = compared.includes(box.value);
  byId("compare").disabled = compared.length !== 2;
}

function row(run) {
  const { result } = run;
  const requested = number("l_requests", `${count(result.done)}/${count(run.total_requests)} × ${run.concurrency}`);
  requested.classList.add("is-whole");
  return make("tr", { "data-run": run.test_id },
    cell("l_compare", make("input", { type: "checkbox", class: "form-check-input", value: run.test_id, checked: compared.includes(run.test_id), "aria-label": `${words("l_compare")} ${run.test_id}`, change: (event) => choose(run.test_id, event.target.checked) })),
    head(make("button", { type: "button", class: "link-button", click: () => showReport(run.test_id) }, run.test_id), " ", when(run.started_at)),
    whole("l_method", ...targetOf(run)), requested,
    number("l_failed", failures(result.failed)), number("l_avg", ms(result.avg_ms)), number("p95", ms(result.p95_ms)), number("l_rps", count(result.rps)),
    whole("l_state", ...stateOf(run)));
}

export async function showRuns() {
  runs = (await api.ipcTestLoadRunsList()).runs;
  fill(byId("run-list"), runs.map(row), "no_runs");
  showSchedules((await api.ipcTestLoadSchedulesList()).schedules);
}

function numbers(title, run) {
  const { result } = run;
  const fact = (label, value) => make("div", {}, make("dt", {}, label), make("dd", {}, value));
  return make("div", { class: "compared" }, make("h3", {}, `${title} ${run.test_id}`),
    make("dl", { class: "facts" }, fact(words("l_method"), make("span", {}, ...targetOf(run))), fact(words("l_requests"), `${count(result.done)} × ${run.concurrency}`), fact(words("l_failed"), failures(result.failed)),
      fact(words("l_avg"), ms(result.avg_ms)), fact("p50", ms(result.p50_ms)), fact("p95", ms(result.p95_ms)), fact("p99", ms(result.p99_ms)), fact(words("l_rps"), count(result.rps)), fact(words("l_when"), when(run.started_at)), fact(words("l_who"), run.started_by)));
}

function open(...children) {
  const box = byId("comparison");
  box.replaceChildren(...children);
  box.hidden = false;
  box.focus();
  box.scrollIntoView({ block: "nearest" });
}

function chart(name, alt, like) { return make("img", { class: "chart", "data-chart": name, "data-like": like, width: "900", height: "300", alt }); }

/** What can be compared with a run: finished ones of its mode, method and space. */
const like = (run) => runs.filter((one) => one.state === "finished" && one.method === run.method && one.mode === run.mode && (run.method !== "space.infer" || one.params.space_id === run.params.space_id));

async function act(work) {
  try {
    await work();
  } catch (error) {
    note.textContent = say(error);
  }
  await showRuns();
}

async function showReport(id) {
  const run = await api.ipcTestLoadRunsRetrieve(id);
  const button = (key, click) => make("button", { type: "button", class: "btn btn-sm btn-outline-secondary", click }, words(key));
  const baseline = async () => { await act(() => api.ipcTestLoadRunsBaselineCreate(id, { chosen: !run.baseline })); showReport(id); };
  const remove = async () => { await act(() => api.ipcTestLoadRunsDestroy(id)); byId("comparison").hidden = true; byId("run-list").closest("[tabindex]").focus(); };
  const reasons = Object.entries(run.result.errors).map(([kind, often]) => make("li", {}, make("span", {}, kindOf(kind), " ", make("code", { class: "why-code" }, kind)), count(often)));
  const steps = run.steps.length < 2 ? [] : [
    chart(`run/${encodeURIComponent(id)}`, words("report")),
    make("ul", { class: "plain" }, ...run.steps.map((step) => make("li", {}, `${words("at_once")}: ${step.concurrency}`, make("span", {}, `${count(step.rps)}/s · p95 ${ms(step.p95_ms)} · ${words("l_failed")} ${count(step.failed)}`))))];
  const params = make("pre", { class: "code", tabindex: "0" });
  showJson(params, pretty(run.params));
  const given = Object.keys(run.params).length ? [make("h3", {}, words("l_params")), params] : [];
  const others = like(run).length < 2 ? [] : [make("h3", {}, words("l_like")), chart("history", words("l_like"), id)];
  open(numbers(words("report"), run), make("p", {}, ...stateOf(run)), run.error ? make("p", { class: "request-error" }, ...why(run)) : "",
    reasons.length ? make("ul", { class: "plain" }, ...reasons) : "", ...steps, ...others, ...given,
    make("div", { class: "filter-row" }, button("see_log", () => showLogOf({ test_id: id })), button(run.baseline ? "no_baseline" : "make_baseline", baseline), run.state === "running" ? "" : button("remove", remove)));
  drawCharts(byId("comparison"));
}

async function compare() {
  // The earlier one first, whichever was chosen first.
  const [earlier, later] = runs.filter((run) => compared.includes(run.test_id)).reverse().map((run) => run.test_id);
  const found = await api.ipcTestLoadCompareRetrieve({ before: earlier, after: later });
  const text = found.worse.length ? words("compared_worse", { n: found.worse.map((one) => words(`a_${one}`)).join(", ") }) : words("compared_same");
  open(make("p", { class: `notice ${found.worse.length ? "notice-bad" : "notice-good"}` }, text),
    make("div", { class: "pair" }, numbers(words("earlier"), found.before), numbers(words("later"), found.after)));
}

function showSchedules(schedules) {
  const list = byId("schedule-list");
  const text = JSON.stringify(schedules);
  if (list.dataset.was === text) return;
  list.dataset.was = text;
  if (!schedules.length) { list.replaceChildren(make("li", { class: "said" }, words("no_schedules"))); return; }
  list.replaceChildren(...schedules.map((one) => make("li", {},
    make("span", {}, make("strong", {}, one.name), ` ${one.method} · ${words("volume", { n: count(one.total_requests), k: one.concurrency })} · `, ...words("next", { n: "\n" }).split("\n").flatMap((part, at) => (at ? [when(one.next_at), part] : [part])),
      one.last_run_id ? ` · ${words("last_run", { n: one.last_run_id })}` : "", one.last_error ? make("span", { class: "field-error" }, " ", ...why({ code: one.last_code, error: one.last_error })) : ""),
    make("button", { type: "button", class: "btn btn-sm btn-outline-secondary", click: () => { byId("schedule-name").focus(); act(() => api.ipcTestLoadSchedulesDestroy(one.id)); } }, words("remove")))));
}

async function addSchedule() {
  const problem = byId("schedule-problem");
  problem.textContent = "";
  const wanted = target(problem);
  if (!wanted) return;
  try {
    await api.ipcTestLoadSchedulesCreate({ ...wanted, name: byId("schedule-name").value.trim(), every_s: Number(byId("schedule-every").value) });
    byId("schedule-name").value = "";
    await showRuns();
  } catch (error) {
    problem.textContent = say(error);
  }
}

byId("load-form").addEventListener("submit", (event) => { event.preventDefault(); start(); });
byId("schedule-form").addEventListener("submit", (event) => { event.preventDefault(); addSchedule(); });
stopButton.addEventListener("click", stop);
byId("compare").addEventListener("click", compare);
byId("forget-tests").addEventListener("click", () => act(async () => { note.textContent = words("forgotten", { n: (await api.ipcMonitorForgetCreate({})).forgotten }); }));
colourField(byId("load-params"));
