// One alert in full: what was seen, why it was raised, and what people did about it.

import { get, may, post, url } from "./api.js";
import { fill, h, note } from "./dom.js";
import { exactly, kindName, sentence, span, when } from "./words.js";

const DONE = { acknowledged: "acknowledged it", commented: "wrote", silenced: "silenced its kind at this camera" };
const SILENCES = { "": "Silence for…", 900: "15 minutes", 3600: "1 hour", 28800: "8 hours", 86400: "1 day" };

export function alertDetail(id) {
  const body = h("div", { class: "body" }, h("p", { class: "quiet" }, "Loading…"));
  const head = h("header", {}, h("h2", {}, "Alert"));
  const element = h("section", { class: "card detail", "aria-label": "Alert" }, head, body);
  const text = h("textarea", { "aria-label": "Comment", placeholder: "Comment (optional)", maxlength: 2000 });
  // Each part stays in its place while the alert goes on: a clip that plays and a comment half written are not disturbed.
  const evidence = h("div", {}), said = h("p", { class: "said" }), rest = h("div", { class: "stack" });
  let alert = null, shownEvidence = null, over = false;

  const act = (path, send, said) => async () => {
    try {
      await post(path, send());
      text.value = "";
      note(said);
      await load();
    } catch (error) {
      note(error.message, true);
    }
  };
  const acknowledge = act(url`/api/alerts/${id}/acknowledge`, () => ({ text: text.value || null }), "Acknowledged");
  const seen = h("button", { class: "primary", type: "button", onclick: acknowledge }, "Acknowledge");
  const comment = act(url`/api/alerts/${id}/comment`, () => ({ text: text.value }), "Comment saved");

  async function load() {
    try {
      const found = await get(url`/api/alerts/${id}`);
      if (over) return;
      alert = found;
      render();
    } catch (error) {
      fill(body, h("p", { class: "problem" }, error.message));
    }
  }

  function render() {
    const { message } = alert;
    fill(head, 
      h("a", { class: "crumb back", href: "/alerts" }, "← All"), h("h2", {}, kindName(alert.kind)), h("span", { class: `tag ${alert.severity}` }, alert.severity),
      alert.ended_at === null && h("span", { class: "tag open" }, "open"), h("span", { class: "grow" }),
      alert.acknowledged_at !== null ? h("span", { class: "tag good" }, `Acknowledged by ${alert.acknowledged_by}`) : null);
    const which = `${message.snapshot}|${message.clip?.path}`;
    if (shownEvidence !== which) {
      shownEvidence = which;
      const found = pictures(alert);
      evidence.hidden = !found;
      fill(evidence, found);
    }
    said.textContent = sentence(alert.text);
    seen.disabled = alert.acknowledged_at !== null;
    fill(rest, facts(message), measures(message.reason.measures ?? {}), handlings());
    if (!evidence.isConnected) fill(body, evidence, said, actions(), rest);
  }

  function actions() {
    if (!may("operator")) return h("p", { class: "quiet" }, "Handling alerts needs the role operator.");
    const silence = h("select", {
      "aria-label": "Silence this kind at this camera", style: { width: "auto" },
      onchange: event => {
        const for_s = Number(event.target.value);
        event.target.value = "";
        if (for_s) act(url`/api/alerts/${id}/silence`, () => ({ for_s, text: text.value || null }), "Silenced; such alerts are still raised and recorded")();
      },
    }, Object.entries(SILENCES).sort(([a], [b]) => a - b).map(([value, name]) => h("option", { value }, name)));
    return h("div", { class: "stack" }, text, h("div", { class: "actions" },
      seen,
      h("button", { type: "button", onclick: () => (text.value.trim() ? comment() : text.focus()) }, "Comment"), silence));
  }

  function facts(message) {
    const ended = alert.ended_at === null ? `open for ${span(Math.max(0, Date.now() / 1000 - alert.started_at))}` : `${exactly(alert.ended_at)}, after ${span(Math.max(0, alert.ended_at - alert.started_at))}`;
    const rows = [
      ["Camera", h("a", { href: url`/cameras/${alert.camera}` }, alert.camera)], ["Rule", message.rule], ["Began", exactly(alert.started_at)], ["Ended", ended],
      message.place && ["Where", message.place], message.label && ["What", `${message.label}, ${Math.round(message.score * 100)} % sure`],
      message.reason.no_clip && ["Clip", `none: ${message.reason.no_clip}`],
      message.reason.unusual && ["Unusual", [message.reason.unusual].flat().join(", ")], ["Number", h("code", {}, alert.id)],
    ];
    return h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  function measures(found) {
    const rows = Object.entries(found).map(([name, pair]) => {
      const [value, limit] = Array.isArray(pair) ? pair : [pair.value, pair.limit];
      return h("tr", {}, h("td", {}, measured(name)), h("td", { class: "n" }, shown(value)), h("td", { class: "n" }, shown(limit)));
    });
    return rows.length ? h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Measured"), h("th", { class: "n" }, "Value"), h("th", { class: "n" }, "Limit"))), h("tbody", {}, rows)) : null;
  }

  function handlings() {
    if (!alert.handlings.length) return null;
    return h("div", {}, h("h3", {}, "What was done"), h("ul", { class: "log", "aria-label": "What was done" }, alert.handlings.map(each =>
      h("li", {}, h("b", {}, each.by), ` ${DONE[each.change] ?? each.change}${each.until ? ` until ${when(each.until)}` : ""} `, h("time", { class: "quiet" }, when(each.at)), each.text && h("p", {}, each.text)))));
  }

  load();
  return {
    element,
    acknowledge: () => may("operator") && alert && alert.acknowledged_at === null && acknowledge(),
    changed: () => load(),
    close: () => (over = true),
  };
}

function pictures(alert) {
  const { message } = alert;
  const frame = h("div", { class: "evidence" });
  const image = () => h("img", { src: url`/api/alerts/${alert.id}/snapshot.jpg`, alt: `Picture of the alert: ${alert.text}`, onerror: event => event.target.replaceWith(h("p", { class: "empty" }, "The picture is not kept any more")) });
  const video = () => h("video", { src: url`/api/alerts/${alert.id}/clip.mp4`, controls: true, autoplay: true, muted: true, playsinline: true, "aria-label": "Clip of the alert" });
  const show = (made, tab) => {
    fill(frame, made());
    for (const each of tabs.children) each.setAttribute("aria-pressed", String(each === tab));
  };
  const picture = h("button", { type: "button", onclick: event => show(image, event.currentTarget) }, "Picture");
  const clip = h("button", { type: "button", onclick: event => show(video, event.currentTarget) }, "Clip");
  const tabs = h("div", { class: "segments", role: "group", "aria-label": "Evidence" }, message.snapshot && picture, message.clip && clip);
  if (message.snapshot) show(image, picture);
  else if (message.clip) show(video, clip);
  else return null;
  return h("div", { class: "stack" }, frame, message.clip ? tabs : null);
}

const shown = value => (typeof value === "number" ? (Number.isInteger(value) ? value : value.toPrecision(3)) : value === null ? "–" : String(value));
const UNITS = { s: "s", px: "px", mps: "m/s", deg: "°", hz: "Hz", m: "m" };
function measured(name) {
  const parts = name.split("_"), unit = UNITS[parts.at(-1)];
  const words = (unit ? parts.slice(0, -1) : parts).join(" ");
  return unit ? `${words} (${unit})` : words;
}
