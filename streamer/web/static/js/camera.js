// One camera: its picture in large, how it is, where its frames went, and when it had alerts.

import { get, may, post, url } from "./api.js";
import { alertRow } from "./alert_row.js";
import { fill, h, note, s } from "./dom.js";
import { latest, listen } from "./events.js";
import { Screen, toggles } from "./screen.js";
import { Watched } from "./watched.js";
import { LINKS, REASONS, clock, count, kindName, percent, span, troubleOf, when } from "./words.js";

const HOURS = { 1: "1 hour", 6: "6 hours", 24: "24 hours", 168: "7 days" };

export function cameraPage(name) {
  const stage = h("div", { class: "screen card" });
  const over = h("div", { class: "over" }, "Waiting for the first picture");
  const caption = h("span", { class: "quiet" });
  const health = h("div", { class: "body stack" });
  const frames = h("div", { class: "body" });
  const rules = h("div", { class: "body" });
  const timeline = h("div", { class: "body" });
  const recent = h("div", { role: "list", "aria-label": "Alerts of this camera" });
  const link = h("span", { class: "tag" });
  const hours = h("select", { "aria-label": "Span of the timeline", style: { width: "auto" }, onchange: () => drawTimeline() },
    Object.entries(HOURS).map(([value, words]) => h("option", { value }, words)));
  hours.value = "24";
  const why = h("p", { class: "hint", role: "status", hidden: true });
  let screen = null, watched = null, over_ = false, open = new Map();

  async function load() {
    const camera = await get(url`/api/cameras/${name}`);
    if (over_) return;
    if (!screen) {
      screen = new Screen(name, camera);
      watched = new Watched(name, screen, why, {
        size: ([wide, high]) => {
          stage.style.aspectRatio = `${wide} / ${high}`;
          over.hidden = true;
        },
        words: words => { caption.textContent = words; },
      });
      fill(stage, watched.element, screen.canvas, over);
    }
    if (camera.state) state(latest.cameras[name] ?? camera.state);
    fill(rules, camera.rules.length
      ? h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Rule"), h("th", {}, "Kind"), h("th", {}, "Where"))),
        h("tbody", {}, camera.rules.map(rule => h("tr", {}, h("td", {}, rule.name), h("td", {}, kindName(rule.kind)), h("td", {}, rule.place ?? "anywhere")))))
      : h("p", { class: "quiet" }, "No rules: this camera raises alerts only about itself."));
    drawTimeline();
    const [{ alerts }, now] = await Promise.all([get(url`/api/alerts?limit=12&camera=${name}`), get(url`/api/alerts?state=open&camera=${name}`)]);
    fill(recent, ...alerts.map(alert => alertRow(alert)));
    if (!alerts.length) recent.append(h("p", { class: "empty" }, "No alerts yet"));
    open = new Map(now.alerts.map(alert => [alert.id, alert]));
    settle();
  }
  const settle = () => screen && (screen.alerted = new Set([...open.values()].flatMap(alert => alert.track_ids)));

  function state(now) {
    link.className = `tag ${now.link === "online" ? "good" : now.link === "offline" ? "critical" : "warning"}`;
    link.textContent = now.asleep ? "Online, asleep" : LINKS[now.link] ?? now.link;
    if (now.link === "offline") {
      over.hidden = false;
      over.textContent = now.trouble ? troubleOf(now.trouble) : "Offline";
    } else if (screen?.body) over.hidden = true;
    const figure = (value, words) => h("div", { class: "figure" }, h("b", {}, value), h("span", {}, words));
    fill(health, 
      h("div", { class: "figures" },
        figure(percent(now.coverage), "of the last hour watched"), figure((now.fps ?? 0).toFixed(1), "pictures analysed a second"),
        figure(now.last_frame_age_s === null ? "–" : span(now.last_frame_age_s), "since the last frame"), figure(span(now.for_s), LINKS[now.link]?.toLowerCase() ?? now.link)),
      now.trouble && h("p", { class: "problem" }, troubleOf(now.trouble)),
      h("dl", { class: "facts" }, [
        ["Picture", now.size ? `${now.size[0]} × ${now.size[1]}` : "–"], ["Decoder", now.decoder ?? now.codec ?? "–"], ["Connections", count(now.sessions)],
        ["Asleep", now.never_asleep ? `never: ${now.never_asleep}` : `${span(now.asleep_s)} in all`],
      ].map(([what, value]) => [h("dt", {}, what), h("dd", {}, value)])));
    const { received, analysed, skipped, dropped, waiting } = now.frames;
    const row = (what, n, why) => h("tr", {}, h("td", {}, what, why && h("span", { class: "quiet" }, ` ${why}`)), h("td", { class: "n" }, count(n)), h("td", { class: "n" }, received ? percent(n / received) : "–"));
    fill(frames, h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}, "Frames"), h("th", { class: "n" }, "Number"), h("th", { class: "n" }, "Share"))),
      h("tbody", {}, row("received", received), row("analysed", analysed),
        Object.entries(skipped).map(([why, n]) => row("left out:", n, REASONS[why] ?? why)),
        Object.entries(dropped).map(([why, n]) => row("lost:", n, REASONS[why] ?? why)), row("waiting", waiting))));
  }

  async function drawTimeline() {
    try {
      fill(timeline, chart(await get(url`/api/cameras/${name}/timeline?hours=${hours.value}`)));
    } catch (error) {
      fill(timeline, h("p", { class: "problem" }, error.message));
    }
  }

  const stop = listen((what, body) => {
    if (what === "cameras" && body[name]) state(body[name]);
    if (what === "missed") load();
    if (what === "alert" && body.camera === name) {
      if (body.ended_at === null) open.set(body.id, body);
      else open.delete(body.id);
      settle();
      const there = recent.querySelector(`[data-id="${CSS.escape(body.id)}"]`);
      if (there) there.replaceWith(alertRow(body));
      else recent.prepend(alertRow(body));
      recent.querySelector(".empty")?.remove();
      while (recent.children.length > 12) recent.lastChild.remove();
      if (!there || body.ended_at !== null) drawTimeline();
    }
  });
  load().catch(error => fill(stage, h("div", { class: "over" }, error.message)));

  const wake = h("button", {
    type: "button", onclick: () => post(url`/api/cameras/${name}/wake`, { for_s: 60 }).then(() => note("Watched in full for a minute, whether or not anything moves"), error => note(error.message, true)),
  }, "Watch for a minute");
  const card = (title, body, ...extra) => h("section", { class: "card", "aria-label": title }, h("header", {}, h("h2", {}, title), h("span", { class: "grow" }), extra), body);
  return {
    title: name,
    element: h("div", {},
      h("div", { class: "head" }, h("a", { class: "crumb", href: "/" }, "Cameras"), h("span", { class: "quiet" }, "/"), h("h1", {}, name), link, h("span", { class: "grow" }),
        may("operator") && wake, may("admin") && h("a", { class: "button", href: url`/cameras/${name}/settings` }, "Settings"), h("a", { class: "button", href: url`/cameras/${name}/places` }, may("admin") ? "Edit zones and lines" : "Zones and lines")),
      h("div", { class: "camera-page" },
        h("div", { class: "stack" }, stage, why, h("div", { class: "head" }, caption, h("span", { class: "grow" }), toggles(() => screen?.draw())),
          card("Timeline of alerts", timeline, hours), card("Alerts", recent, h("a", { class: "crumb", href: url`/alerts?camera=${name}` }, "All of this camera"))),
        h("div", { class: "stack" }, card("Health", health), card("Where its frames went", frames), card("Rules", rules)))),
    close() {
      over_ = true;
      stop();
      watched?.close();
      screen?.close();
    },
  };
}

// One lane per rule; spans are links to their alerts.
function chart({ from, to, alerts }) {
  if (!alerts.length) return h("p", { class: "quiet" }, "No alerts in this time.");
  const lanes = [...new Set(alerts.map(alert => alert.rule))].sort();
  const width = 900, left = 132, lane = 22, height = lanes.length * lane + 22;
  const at = epochS => left + ((Math.max(from, Math.min(to, epochS)) - from) / (to - from)) * (width - left);
  const chart = s("svg", { class: "timeline", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Alerts over time" });
  for (let i = 0; i <= 4; i++) {
    const then = from + ((to - from) * i) / 4, x = at(then);
    chart.append(s("line", { class: "axis", x1: x, x2: x, y1: 0, y2: height - 18 }),
      s("text", { x, y: height - 4, "text-anchor": i === 0 ? "start" : i === 4 ? "end" : "middle" }, to - from > 90000 ? when(then).split(",")[0] : clock(then, false)));
  }
  lanes.forEach((rule, i) => {
    const y = i * lane;
    chart.append(s("rect", { class: "lane", x: left, y: y + 4, width: width - left, height: lane - 8, rx: 3 }), s("text", { x: 0, y: y + 15 }, rule.length > 20 ? `${rule.slice(0, 19)}…` : rule));
    for (const alert of alerts.filter(each => each.rule === rule)) {
      const x = at(alert.from), wide = Math.max(4, at(alert.to ?? to) - x);
      chart.append(s("a", { href: url`/alerts/${alert.id}`, "aria-label": `${kindName(alert.kind)}, ${when(alert.from)}` },
        s("title", {}, `${kindName(alert.kind)}, ${when(alert.from)}`),
        s("rect", { class: `span ${alert.severity}${alert.acknowledged ? " seen" : ""}`, x: Math.min(x, width - wide), y: y + 4, width: wide, height: lane - 8, rx: 2 })));
    }
  });
  return chart;
}
