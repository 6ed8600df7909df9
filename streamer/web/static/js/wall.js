// The wall: every camera at a glance, and the latest alerts beside.

import { get, may } from "./api.js";
import { alertRow } from "./alert_row.js";
import { fill, h } from "./dom.js";
import { latest, listen } from "./events.js";
import { Live } from "./live.js";
import { Screen, toggles } from "./screen.js";
import { LINKS, inView, span, troubleOf } from "./words.js";

const SIZES = { Small: 220, Medium: 300, Large: 460 };
const RANK = { info: 1, warning: 2, critical: 3 };

export function wallPage() {
  const tiles = new Map(), open = new Map(), visible = new Set();
  const live = new Live((body, bitmap) => tiles.get(body.camera)?.show(body, bitmap));
  const grid = h("div", { class: "wall", role: "list", "aria-label": "Cameras" });
  const recent = h("div", { class: "scroll", role: "list", "aria-label": "Latest alerts" });
  const summary = h("p", { class: "quiet" });
  let size = localStorage.getItem("streamer.tiles") ?? "Medium", timer = 0, loading = false;

  function watch() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const few = visible.size <= 6;
      live.watch([...visible].sort(), few && size !== "Small" ? 640 : 320, few ? 8 : 4);
    }, 120);
  }
  const watcher = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries)
      if (isIntersecting) visible.add(target.dataset.camera);
      else visible.delete(target.dataset.camera);
    watch();
  }, { rootMargin: "80px" });

  function settle(name) {
    const worst = [...open.values()].filter(each => each.camera === name);
    tiles.get(name)?.alerts(worst);
  }
  function put(alert) {
    if (alert.ended_at === null && !alert.silenced) open.set(alert.id, alert);
    else open.delete(alert.id);
    settle(alert.camera);
    const there = recent.querySelector(`[data-id="${CSS.escape(alert.id)}"]`);
    const row = alertRow(alert);
    if (there) there.replaceWith(row);
    else recent.prepend(row);
    recent.querySelector(".empty")?.remove();
    while (recent.children.length > 40) recent.lastChild.remove();
  }
  function states() {
    let online = 0;
    // Cameras come and go while the service runs.
    const there = Object.keys(latest.cameras);
    if (!loading && there.length && (there.some(name => !tiles.has(name)) || there.length < tiles.size)) load().catch(() => {});
    for (const [name, tile] of tiles) {
      const state = latest.cameras[name];
      if (state) tile.state(state);
      if (state?.link === "online") online += 1;
    }
    summary.textContent = `${online} of ${tiles.size} online`;
  }
  const stop = listen((name, body) => {
    if (name === "alert") put(body);
    if (name === "cameras") states();
    if (name === "missed") load();
    if (name === "configuration") {
      for (const each of body.cameras) if (tiles.has(each)) gone(each, tiles.get(each)); // zones may lie elsewhere now
      load().catch(() => {});
    }
  });

  async function load() {
    loading = true;
    try {
      await loaded();
    } finally {
      loading = false;
    }
  }
  async function loaded() {
    const [{ cameras }, { alerts }, now] = await Promise.all([
      get("/api/cameras"), get("/api/alerts?limit=40"), get("/api/alerts?state=open&limit=500"),
    ]);
    const names = new Set(cameras.map(camera => camera.name));
    for (const [name, tile] of [...tiles]) if (!names.has(name)) gone(name, tile);
    for (const camera of cameras.filter(each => !tiles.has(each.name))) {
      const tile = new Tile(camera);
      tiles.set(camera.name, tile);
      grid.append(tile.element);
      watcher.observe(tile.element);
    }
    for (const camera of cameras) if (camera.state) latest.cameras[camera.name] ??= camera.state;
    open.clear();
    for (const alert of now.alerts) if (!alert.silenced) open.set(alert.id, alert);
    for (const name of tiles.keys()) settle(name);
    fill(recent, ...alerts.map(alert => alertRow(alert)));
    if (!alerts.length) recent.append(h("p", { class: "empty" }, "No alerts yet"));
    states();
  }
  function gone(name, tile) {
    watcher.unobserve(tile.element);
    visible.delete(name);
    tiles.delete(name);
    tile.element.remove();
    tile.screen.close();
    watch();
  }
  load().catch(error => fill(grid, h("p", { class: "problem" }, error.message)));

  function resize(to) {
    size = to;
    localStorage.setItem("streamer.tiles", to);
    grid.style.setProperty("--tile", `${SIZES[to]}px`);
    watch();
  }
  resize(size in SIZES ? size : "Medium");
  const sizes = h("div", { class: "segments", role: "group", "aria-label": "Size of the pictures" },
    Object.keys(SIZES).map(each => h("button", {
      type: "button", "aria-pressed": String(each === size),
      onclick: event => {
        for (const other of event.currentTarget.parentNode.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
        resize(each);
      },
    }, each)));

  return {
    title: "Cameras",
    element: h("div", {},
      h("div", { class: "head" }, h("h1", {}, "Cameras"), summary, h("span", { class: "grow" }), toggles(() => tiles.forEach(tile => tile.screen.draw())), sizes,
        may("admin") && h("a", { class: "button", href: "/configuration/add" }, "Add a camera")),
      h("div", { class: "wall-page" }, grid,
        h("aside", { class: "card rail", "aria-label": "Latest alerts" },
          h("header", {}, h("h2", {}, "Latest alerts"), h("span", { class: "grow" }), h("a", { class: "crumb", href: "/alerts" }, "All alerts")), recent))),
    close() {
      stop();
      live.close();
      watcher.disconnect();
      clearTimeout(timer);
      tiles.forEach(tile => tile.screen.close());
    },
  };
}

class Tile {
  constructor(camera) {
    this.name = camera.name;
    this.screen = new Screen(camera.name, camera);
    this.over = h("div", { class: "over" }, "No picture yet");
    this.badge = h("span", { class: "badge", hidden: true });
    this.dot = h("span", { class: "dot connecting" });
    this.opened = h("span", { class: "visually-hidden" });
    this.right = h("span", { class: "right" });
    this.stage = h("div", { class: "screen" }, this.screen.canvas, this.over, this.badge);
    this.door = h("a", { href: `/cameras/${encodeURIComponent(camera.name)}` }, this.stage, h("footer", {}, this.dot, h("b", {}, camera.name), this.opened, this.right));
    this.element = h("div", { class: "card tile", role: "listitem", "data-camera": camera.name }, this.door);
  }

  show(body, bitmap) {
    this.stage.style.aspectRatio = `${body.size[0]} / ${body.size[1]}`;
    this.screen.show(body, bitmap);
    this.seen = inView(body.objects);
    this.words();
  }

  state(state) {
    this.link = state;
    this.dot.className = `dot ${state.asleep ? "asleep" : state.link}`;
    const away = state.link === "offline" || state.link === "connecting";
    this.over.hidden = !away && Boolean(this.screen.body);
    this.over.textContent = away ? (state.trouble ? troubleOf(state.trouble) : LINKS[state.link]) : "Waiting for the first picture";
    this.badge.hidden = !state.asleep;
    this.badge.textContent = state.asleep ? "asleep · nothing moves" : "";
    this.words();
  }

  words() {
    if (this.screen.body && this.link?.link !== "offline") this.over.hidden = true;
    const link = this.link;
    this.right.textContent = link && link.link === "offline" ? `offline for ${span(link.for_s)}` : this.seen ?? (link ? LINKS[link.link] : "");
  }

  alerts(open) {
    const unseen = open.filter(each => each.acknowledged_at === null);
    const worst = unseen.reduce((most, each) => (RANK[each.severity] > RANK[most] ? each.severity : most), "info");
    if (unseen.length) this.element.dataset.alert = worst;
    else delete this.element.dataset.alert;
    this.screen.alerted = new Set(open.flatMap(each => each.track_ids));
    this.opened.textContent = open.length ? `, ${open.length} open alert${open.length > 1 ? "s" : ""}` : "";
  }
}
