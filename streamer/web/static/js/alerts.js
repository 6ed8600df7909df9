// Alerts: a list to work through, and one of them in full beside it.

import { get, may, post, remove, url } from "./api.js";
import { alertRow } from "./alert_row.js";
import { alertDetail } from "./alert_detail.js";
import { fill, h, note } from "./dom.js";
import { listen } from "./events.js";
import { count, kindName, when } from "./words.js";

const STATES = { "": "Any state", unacknowledged: "Not acknowledged", acknowledged: "Acknowledged", open: "Open now", closed: "Over" };
const SEVERITIES = { "": "Any severity", critical: "Critical", warning: "Warning", info: "Info" };

export function alertsPage(id) {
  const alerts = new Map();
  let order = [], chosen = id, next = null, detail = null, loading = 0;
  const list = h("div", { role: "list", "aria-label": "Alerts" });
  const more = h("button", { type: "button", onclick: () => load(next) }, "Older alerts");
  const moreBox = h("div", { class: "more", hidden: true }, more);
  const total = h("p", { class: "quiet" });
  const place = h("div", { class: "detail-side" });
  const query = new URLSearchParams(location.search);
  const pick = (name, label, choices) => {
    const options = Object.entries(choices).map(([value, text]) => h("option", { value }, text));
    const select = h("select", { name, onchange: refresh }, options);
    select.value = query.get(name) ?? "";
    return { select, label: h("label", {}, label, select) };
  };
  const camera = pick("camera", "Camera", { "": "Any camera" });
  const kind = pick("kind", "Kind", { "": "Any kind" });
  const severity = pick("severity", "Severity", SEVERITIES);
  const state = pick("state", "State", STATES);
  const fields = { camera, kind, severity, state };
  const wanted = { camera: query.get("camera") ?? "", kind: query.get("kind") ?? "" };
  const all = h("button", { type: "button", onclick: acknowledgeShown }, "Acknowledge all shown");

  function offer({ select }, values, name, kept) {
    const have = new Set([...select.options].map(option => option.value));
    for (const value of values) if (!have.has(value)) select.append(h("option", { value }, name(value)));
    if (kept) select.value = kept;
  }
  function values() {
    const filled = Object.entries(fields).map(([name, { select }]) => [name, select.value || wanted[name] || ""]);
    return new URLSearchParams(filled.filter(([, value]) => value));
  }
  function fits(alert) {
    const is = { open: alert.ended_at === null, closed: alert.ended_at !== null, acknowledged: alert.acknowledged_at !== null, unacknowledged: alert.acknowledged_at === null };
    return (!camera.select.value || alert.camera === camera.select.value) && (!kind.select.value || alert.kind === kind.select.value)
      && (!severity.select.value || alert.severity === severity.select.value) && (!state.select.value || is[state.select.value]);
  }
  function refresh() {
    wanted.camera = wanted.kind = "";
    history.replaceState(null, "", `${location.pathname}${values().size ? `?${values()}` : ""}`);
    order = [];
    alerts.clear();
    load(null);
  }
  async function load(before) {
    const turn = ++loading, asked = values();
    asked.set("limit", "100");
    if (before) asked.set("before", before);
    try {
      const found = await get(`/api/alerts?${asked}`);
      if (turn !== loading) return;
      offer(kind, found.kinds, kindName, wanted.kind);
      wanted.kind = "";
      if (!before) fill(list);
      for (const alert of found.alerts) {
        alerts.set(alert.id, alert);
        order.push(alert.id);
        list.append(row(alert));
      }
      next = found.before;
      moreBox.hidden = !next;
      showCounts(found.counts);
      if (!order.length) list.append(h("p", { class: "empty" }, "No alerts match"));
    } catch (error) {
      fill(list, h("p", { class: "problem" }, error.message));
    }
  }
  const showCounts = counts => (total.textContent = `${count(counts.all)} remembered, ${count(counts.unacknowledged)} not acknowledged`);
  const row = alert => alertRow(alert, alert.id === chosen);
  function put(alert) {
    const there = list.querySelector(`[data-id="${CSS.escape(alert.id)}"]`);
    if (there) {
      alerts.set(alert.id, alert);
      there.replaceWith(row(alert));
    } else if (fits(alert) && !alerts.has(alert.id)) {
      alerts.set(alert.id, alert);
      order.unshift(alert.id);
      list.querySelector(".empty")?.remove();
      list.prepend(row(alert));
    }
    if (alert.id === chosen) detail?.changed(alert);
  }
  function show(alertId) {
    chosen = alertId;
    detail?.close();
    for (const each of list.querySelectorAll("[aria-current]")) each.removeAttribute("aria-current");
    list.querySelector(`[data-id="${CSS.escape(alertId ?? "")}"] > a`)?.setAttribute("aria-current", "true");
    page.classList.toggle("one", Boolean(alertId));
    detail = alertId ? alertDetail(alertId) : null;
    fill(place, detail?.element ?? h("p", { class: "card empty" }, "Choose an alert to see its picture, its clip and why it was raised."));
  }
  async function acknowledgeShown() {
    const ids = order.filter(each => alerts.get(each)?.acknowledged_at === null).slice(0, 500);
    if (!ids.length) return note("Everything shown is acknowledged already");
    if (!confirm(`Acknowledge ${ids.length} alert${ids.length > 1 ? "s" : ""}?`)) return;
    try {
      const done = await post("/api/alerts/acknowledge", { ids });
      note(`${done.acknowledged.length} acknowledged`);
    } catch (error) {
      note(error.message, true);
    }
  }
  const silences = h("ul", { class: "silences", "aria-label": "Silenced" });
  const silenced = h("section", { class: "card", hidden: true, "aria-label": "Silences" }, h("header", {}, h("h2", {}, "Silenced")), silences);
  function showSilences({ silences: found }) {
    silenced.hidden = !found.length;
    fill(silences, found.map(each => h("li", {}, h("span", {}, `${kindName(each.kind)} at ${each.camera}, until ${when(each.until)} (${each.by})`),
      may("operator") && h("button", { class: "small", type: "button", "aria-label": `End the silence of ${kindName(each.kind)} at ${each.camera}`, onclick: () => remove(url`/api/silences/${each.number}`).then(showSilences, error => note(error.message, true)) }, "End"))));
  }
  const loadSilences = () => get("/api/silences").then(showSilences, () => {});
  loadSilences();

  function step(by) {
    const at = order.indexOf(chosen), to = order[at < 0 ? 0 : at + by];
    if (!to) return;
    document.dispatchEvent(new CustomEvent("console:go", { detail: `/alerts/${encodeURIComponent(to)}${location.search}` }));
    list.querySelector(`[data-id="${CSS.escape(to)}"]`)?.scrollIntoView({ block: "nearest" });
  }
  function keys(event) {
    if (event.target.closest("input, select, textarea, video") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j" || event.key === "ArrowDown") step(1);
    else if (event.key === "k" || event.key === "ArrowUp") step(-1);
    else if (event.key === "a") detail?.acknowledge();
    else return;
    event.preventDefault();
  }
  addEventListener("keydown", keys);
  const stop = listen((name, body) => {
    if (name === "alert") put(body);
    if (name === "counts") showCounts(body);
    if (name === "silences") showSilences(body);
    if (name === "missed") refresh();
  });
  get("/api/cameras").then(({ cameras }) => {
    offer(camera, cameras.map(each => each.name), name => name, wanted.camera);
    wanted.camera = "";
  }, () => {});

  const page = h("div", { class: "alerts-page" },
    h("div", { class: "list-side stack" },
      h("div", { class: "filters", role: "group", "aria-label": "Filters" }, camera.label, kind.label, severity.label, state.label), silenced,
      h("div", { class: "card list" }, list, moreBox)),
    place);
  const element = h("div", { class: "alerts-all" },
    h("div", { class: "head" }, h("h1", {}, "Alerts"), total, h("span", { class: "grow" }),
      h("span", { class: "quiet hints" }, h("kbd", {}, "J"), " ", h("kbd", {}, "K"), " move, ", h("kbd", {}, "A"), " acknowledge"), may("operator") && all),
    page);
  load(null);
  show(id);
  return {
    title: "Alerts",
    element,
    move(path) {
      const match = path.match(/^\/alerts(?:\/([^/]+))?$/);
      if (!match) return false;
      show(match[1] ? decodeURIComponent(match[1]) : null);
      return true;
    },
    close() {
      stop();
      detail?.close();
      removeEventListener("keydown", keys);
    },
  };
}
