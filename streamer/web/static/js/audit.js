// Who saw and did what: the audit log, newest first, for admins.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { exactly } from "./words.js";

const OUTCOMES = { done: null, begun: "", ended: "", refused: "warning", failed: "warning" };
const PAGE = 100;

export function auditPage() {
  const wanted = { who: "", camera: "" };
  let before = null;
  const rows = h("tbody");
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const more = h("button", { type: "button", onclick: () => load(true) }, "Older entries");
  const empty = h("p", { class: "quiet", hidden: true }, "Nothing was written down about this.");
  const field = (name, label) => h("label", {}, label, h("input", {
    type: "search", autocomplete: "off",
    onchange: event => {
      wanted[name] = event.target.value.trim();
      load();
    },
  }));
  const element = h("div", { class: "stack" },
    h("h1", {}, "Audit log"),
    h("p", { class: "quiet" }, "Who saw and did what. ", h("code", {}, "streamer audit verify"), " tells whether anything was changed or taken away."),
    h("div", { class: "filters" }, field("who", "Who"), field("camera", "Camera")),
    problem,
    h("section", { class: "card", "aria-label": "Entries", style: { "min-width": "0" } }, h("div", { class: "body", style: { "overflow-x": "auto" } },
      h("table", {}, h("thead", {}, h("tr", {}, ["When", "Who", "From", "Did", "Outcome"].map(each => h("th", { scope: "col" }, each)))), rows), empty)),
    more);

  async function load(older = false) {
    const query = new URLSearchParams({ limit: PAGE });
    for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
    if (older) query.set("before", before);
    try {
      const found = await get(`/api/audit?${query}`);
      ({ before } = found);
      if (!older) fill(rows);
      rows.append(...found.entries.map(row));
      empty.hidden = rows.children.length > 0;
      more.hidden = before === null;
      problem.hidden = true;
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  load();
  return { element, title: "Audit log" };
}

const row = entry => h("tr", {},
  h("td", {}, h("time", { datetime: entry.time }, exactly(entry.at))),
  h("td", {}, h("b", {}, entry.who), " ", h("span", { class: "quiet" }, entry.role)),
  h("td", {}, entry.address),
  h("td", {}, `${entry.did} ${entry.what}`),
  h("td", {}, OUTCOMES[entry.outcome] === null ? "" : h("span", { class: `tag ${OUTCOMES[entry.outcome] ?? ""}` }, entry.outcome)));
