// Where one is: the address decides which page is shown, without loading anything anew.

import { get, session } from "./api.js";
import { alertsPage } from "./alerts.js";
import { auditPage } from "./audit.js";
import { cameraPage } from "./camera.js";
import { cameraFormPage } from "./camera_form.js";
import { configurationPage } from "./configuration.js";
import { h } from "./dom.js";
import { begin } from "./events.js";
import { loginPage } from "./login.js";
import { placesPage } from "./places.js";
import { shell, theme } from "./shell.js";
import { wallPage } from "./wall.js";

const ROUTES = [
  [/^\/$/, () => wallPage()],
  [/^\/alerts$/, () => alertsPage(null)],
  [/^\/alerts\/([^/]+)$/, id => alertsPage(id)],
  [/^\/cameras\/([^/]+)$/, name => cameraPage(name)],
  [/^\/cameras\/([^/]+)\/places$/, name => placesPage(name)],
  [/^\/cameras\/([^/]+)\/settings$/, name => cameraFormPage(name)],
  [/^\/configuration$/, () => configurationPage()],
  [/^\/audit$/, () => auditPage()],
  [/^\/configuration\/add$/, () => cameraFormPage()],
];

const root = document.getElementById("console");
let frame = null, page = null;

export function go(path, replace = false) {
  if (page?.leave && !page.leave(path)) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  render();
}

async function render() {
  const { pathname } = location;
  if (page?.move?.(pathname)) {
    frame.here(pathname);
    return;
  }
  page?.close?.();
  const [pattern, make] = ROUTES.find(([each]) => each.test(pathname)) ?? [/^.*$/, () => wallPage()];
  const parts = (pathname.match(pattern) ?? []).slice(1).map(decodeURIComponent);
  frame.here(pathname);
  page = make(...parts);
  page.go = go;
  frame.main.replaceChildren(page.element);
  document.title = `${page.title} · Streamer`;
  scrollTo(0, 0);
}

document.addEventListener("click", event => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const to = new URL(link.href.baseVal ?? link.href, location.href);
  if (link.target || to.origin !== location.origin || to.pathname.startsWith("/api/") || to.hash) return;
  event.preventDefault();
  go(to.pathname + to.search);
});
addEventListener("popstate", render);
document.addEventListener("console:go", event => go(event.detail));

function enter() {
  begin();
  frame = shell();
  root.replaceChildren(...frame.frame);
  root.removeAttribute("aria-busy");
  render();
}

theme();
try {
  Object.assign(session, await get("/api/session"));
  enter();
} catch (error) {
  root.removeAttribute("aria-busy");
  if (error.status === 401) root.replaceChildren(loginPage(enter));
  else root.replaceChildren(h("main", { class: "door" }, h("p", { class: "problem" }, error.message)));
}
