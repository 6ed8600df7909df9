// What a configuration would change, and what became of it: one line for each camera.

import { h } from "./dom.js";

const SIGNS = { added: "+", changed: "~", removed: "−" };
const WOULD = { added: "is added", changed: "changes", removed: "is removed" };
const line = (what, sign, name, said) => h("li", { class: `step ${what}` }, h("span", { class: "sign", "aria-hidden": "true" }, sign), h("b", {}, name), h("span", {}, said));
const waiting = key => line("restart", "!", key, "needs a restart of the service");

export function stepList({ cameras, restart }) {
  const lines = [
    ...cameras.map(each => line(each.what, SIGNS[each.what], each.camera, `${WOULD[each.what]}${each.keys.length ? `: ${each.keys.join(", ")}` : ""}`)),
    ...restart.map(waiting),
  ];
  return h("ul", { class: "steps", "aria-label": "What would change" }, lines.length ? lines : h("li", { class: "quiet" }, "Nothing: the service runs by just this."));
}

export function resultList({ done, cameras, restart, number }) {
  const lines = [
    ...cameras.map(each => each.problem ? line("failed", "✗", each.camera, `not ${each.what}: ${each.problem}`) : line(each.what, SIGNS[each.what], each.camera, done ? each.what : `${each.what}, and put back`)),
    ...restart.map(waiting),
  ];
  const said = !done ? "Not applied: everything is as it was." : number ? `Applied. It is number ${number} of the history.` : "Nothing to do: the service runs by just this.";
  return h("div", { class: "stack", role: done ? "status" : "alert" }, h("p", { class: done ? "hint" : "problem" }, said), h("ul", { class: "steps", "aria-label": "Results" }, lines));
}

export const problemLines = sentence => sentence.split("\n").map(each => h("p", {}, each));
