// The frame around every page: where one can go, who one is, whether the service is there.

import { may, post, session } from "./api.js";
import { h, icon, note } from "./dom.js";
import { latest, listen } from "./events.js";

export function theme(change = false) {
  const root = document.documentElement;
  let chosen = localStorage.getItem("streamer.theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  if (change) {
    chosen = chosen === "dark" ? "light" : "dark";
    localStorage.setItem("streamer.theme", chosen);
  }
  root.dataset.theme = chosen;
  return chosen;
}

export function shell() {
  const badge = h("span", { class: "count", hidden: true });
  const dot = h("span", { class: "dot connecting" });
  const words = h("span", {}, "Connecting");
  const item = (path, name, sign, extra) => h("a", { class: "item", href: path, "data-page": path }, icon(sign), h("span", {}, name), extra);
  const name = chosen => (chosen === "dark" ? "Light theme" : "Dark theme");
  const label = h("span", { class: "wide" }, name(theme()));
  const look = h("button", {
    class: "small", type: "button", onclick: () => (label.textContent = name(theme(true))),
  }, icon("theme"), label);
  const leave = session.login && h("button", {
    class: "small", type: "button",
    onclick: () => post("/api/logout").then(() => location.assign("/"), error => note(error.message, true)),
  }, icon("leave"), h("span", { class: "wide" }, "Log out"));
  const main = h("main", { id: "main", tabindex: "-1" });
  const side = h("nav", { class: "side", "aria-label": "Console" },
    h("a", { class: "brand", href: "/" }, h("img", { src: "/static/icon.svg", alt: "" }), "Streamer"),
    item("/", "Cameras", "cameras"),
    item("/alerts", "Alerts", "alerts", badge),
    may("admin") && item("/configuration", "Configuration", "configuration"),
    may("admin") && item("/audit", "Audit log", "audit"),
    h("div", { class: "foot" },
      h("div", { class: "link-state" }, dot, words),
      h("div", { class: "who" }, h("b", {}, session.login ? session.user : "This machine"), h("span", { class: "quiet" }, session.role)),
      h("div", { class: "row" }, look, leave)));
  listen(() => {
    const n = latest.counts?.unacknowledged ?? 0;
    badge.hidden = !n;
    badge.textContent = n > 999 ? "999+" : n;
    badge.setAttribute("aria-label", `${n} not acknowledged`);
    dot.className = `dot ${latest.connected ? "online" : "offline"}`;
    words.textContent = latest.connected ? "Live" : "Service not reached";
  });
  const frame = h("div", { class: "shell" }, side, main);
  const here = path => {
    for (const link of side.querySelectorAll("[data-page]")) {
      const at = link.dataset.page === "/" ? path === "/" || path.startsWith("/cameras") : path.startsWith(link.dataset.page);
      if (at) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };
  return { frame: [h("a", { class: "skip", href: "#main" }, "Skip to content"), frame], main, here };
}
