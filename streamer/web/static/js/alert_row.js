// One alert in a list.

import { h } from "./dom.js";
import { exactly, kindName, sentence, when } from "./words.js";

export function alertRow(alert, current = false) {
  const state = alert.ended_at === null ? h("span", { class: "tag open" }, "open") : null;
  const seen = alert.acknowledged_at !== null || alert.silenced;
  const handled = alert.acknowledged_at !== null ? h("span", { class: "quiet" }, `seen by ${alert.acknowledged_by}`)
    : alert.silenced ? h("span", { class: "quiet" }, "silenced") : null;
  return h("div", { role: "listitem", "data-id": alert.id }, h("a", {
    class: `alert-row ${alert.severity}${seen ? " seen" : ""}`, href: `/alerts/${encodeURIComponent(alert.id)}`, "aria-current": current ? "true" : null,
  },
    h("span", { class: "bar" }), h("span", { class: "what", title: alert.text }, sentence(alert.text)), h("time", { title: exactly(alert.started_at) }, when(alert.started_at)),
    h("span", { class: "about" }, `${alert.camera} · ${kindName(alert.kind)}`), h("span", { class: "state" }, state ?? handled)));
}
