// One alert in a list.

import { h } from "./dom.js";
import { exactly, kindName, when } from "./words.js";

export function alertRow(alert, current = false) {
  const state = alert.ended_at === null ? h("span", { class: "tag critical" }, "open") : null;
  const seen = alert.acknowledged_at !== null || alert.silenced;
  const handled = alert.acknowledged_at !== null ? h("span", { class: "quiet" }, `seen by ${alert.acknowledged_by}`)
    : alert.silenced ? h("span", { class: "quiet" }, "silenced") : null;
  return h("a", {
    class: `alert-row ${alert.severity}${seen ? " seen" : ""}`, href: `/alerts/${encodeURIComponent(alert.id)}`,
    role: "listitem", "data-id": alert.id, "aria-current": current ? "true" : null,
    "aria-label": `${kindName(alert.kind)}, ${alert.camera}, ${when(alert.started_at)}: ${alert.text}`,
  },
    h("span", { class: "bar" }), h("span", { class: "what" }, alert.text), h("time", { title: exactly(alert.started_at) }, when(alert.started_at)),
    h("span", { class: "about" }, `${alert.camera} · ${kindName(alert.kind)}`), h("span", { class: "state" }, state ?? handled));
}
