// Zones and lines of a camera, drawn on its picture: by mouse, by touch, or by keyboard alone.

import { get, put, url } from "./api.js";
import { fill, h, note, s } from "./dom.js";
import { Live } from "./live.js";

const STEP = 0.005, LARGE_STEP = 0.05, NEAR_PX = 12;
const LEAST = { zone: 3, line: 2 };
const clamp = value => Math.min(1, Math.max(0, value));
const rounded = points => points.map(point => point.map(value => Math.round(clamp(value) * 1e4) / 1e4));

// What a zone or a line that no rule names yet can be made to raise.
const rule = (kind, key, more = {}) => (place, severity) => ({ name: `${place}-${kind}`, kind, [key]: place, severity, ...more });
const RULES = {
  zone: {
    intrusion: { name: "when somebody is in it", rule: rule("intrusion", "zone", { labels: ["person"] }) },
    loitering: { name: "when somebody stays longer than 10 s", rule: rule("loitering", "zone", { labels: ["person"], dwell_s: 10 }) },
    stopped: { name: "when a vehicle stands longer than 10 s", rule: rule("stopped", "zone", { still_s: 10 }) },
  },
  line: { line_crossing: { name: "when somebody crosses it", rule: rule("line_crossing", "line", { labels: ["person"] }) } },
};

export function placesPage(name) {
  let places = [], draft = null, chosen = null, version = null, readOnly = "…", usedBy = {}, dirty = false, size = [16, 9], held = null;
  const canvas = h("canvas", { role: "img", "aria-label": `Picture of ${name}` });
  const drawing = s("svg", { role: "application", "aria-label": "Zones and lines", tabindex: "0", preserveAspectRatio: "none" });
  const board = h("div", { class: "board" }, canvas, drawing);
  const list = h("ul", { class: "places", "aria-label": "Zones and lines" });
  const problems = h("div", { class: "problem", role: "alert", hidden: true });
  const hint = h("p", { class: "quiet", role: "status" });
  const effect = h("p", { class: "hint", hidden: true }, "What stands in the file is not what the service runs by: somebody edited it and has not brought it in yet.");
  const save = h("button", { class: "primary", type: "button", onclick: store }, "Save");
  const undo = h("button", { type: "button", onclick: load }, "Discard changes");
  const addZone = h("button", { type: "button", onclick: () => begin("zone") }, "Draw a zone");
  const addLine = h("button", { type: "button", onclick: () => begin("line") }, "Draw a line");
  const live = new Live((body, bitmap) => {
    size = body.size;
    board.style.aspectRatio = `${size[0]} / ${size[1]}`;
    drawing.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    if (!canvas.dataset.shown) {
      canvas.dataset.shown = "1";
      render();
    }
  });
  live.watch([name], 1280, 2);
  board.style.aspectRatio = "16 / 9";
  drawing.setAttribute("viewBox", "0 0 16 9");

  async function load() {
    try {
      const found = await get(url`/api/cameras/${name}/places`);
      places = [
        ...Object.entries(found.zones).map(([key, points]) => ({ kind: "zone", name: key, was: key, points: points.map(point => [...point]) })),
        ...Object.entries(found.lines).map(([key, points]) => ({ kind: "line", name: key, was: key, points: points.map(point => [...point]) })),
      ];
      ({ version, read_only: readOnly, used_by: usedBy } = found);
      effect.hidden = found.in_force;
      draft = null;
      chosen = null;
      problems.hidden = true;
      touched(false);
    } catch (error) {
      tellProblem(error.message);
    }
  }

  async function store() {
    finish();
    const shapes = kind => Object.fromEntries(places.filter(each => each.kind === kind).map(each => [each.name.trim(), rounded(each.points)]));
    if (new Set(places.map(each => `${each.kind} ${each.name.trim()}`)).size < places.length) return tellProblem("Two zones or two lines have the same name.");
    save.disabled = true;
    try {
      const rules = places.filter(each => each.alert).map(each => RULES[each.kind][each.alert].rule(each.name.trim(), each.severity ?? "warning"));
      const saved = await put(url`/api/cameras/${name}/places`, { zones: shapes("zone"), lines: shapes("line"), rules, version });
      ({ version, used_by: usedBy } = saved);
      for (const each of places) Object.assign(each, { was: each.name.trim(), alert: "" });
      document.activeElement?.blur();  // the list may be drawn anew
      problems.hidden = true;
      touched(false);
      effect.hidden = saved.in_force;
      note(saved.in_force ? "Saved, and in force" : "Saved");
    } catch (error) {
      tellProblem(error.message);
      touched(true);
    }
  }

  function tellProblem(sentence) {
    fill(problems, ...sentence.split("\n").map(line => h("p", {}, line)));
    problems.hidden = false;
  }
  function touched(is = true) {
    dirty = is;
    save.disabled = undo.disabled = !is || Boolean(readOnly);
    addZone.disabled = addLine.disabled = Boolean(readOnly);
    render();
  }

  // --- drawing ---------------------------------------------------------------------------------------------------

  function begin(kind) {
    finish();
    const taken = new Set(places.map(each => each.name));
    let number = 1;
    while (taken.has(`${kind}-${number}`)) number += 1;
    draft = { kind, name: `${kind}-${number}`, was: null, points: [], at: [0.5, 0.5] };
    chosen = null;
    drawing.focus();
    render();
  }
  function finish() {
    if (!draft) return;
    const done = draft;
    draft = null;
    if (done.points.length >= LEAST[done.kind]) {
      places.push(done);
      chosen = done;
      touched();
      list.querySelector("li.chosen input")?.select();
    } else render();
  }
  function addPoint(point) {
    if (draft.points.length >= LEAST.zone && draft.kind === "zone" && near(point, draft.points[0])) return finish();
    draft.points.push(point);
    if (draft.kind === "line" && draft.points.length === 2) return finish();
    render();
  }
  function removePoint(place, i) {
    if (place.points.length <= LEAST[place.kind]) return removePlace(place);
    place.points.splice(i, 1);
    touched();
  }
  function removePlace(place) {
    places = places.filter(each => each !== place);
    if (chosen === place) chosen = null;
    touched();
  }
  function near(a, b) {
    const { width, height } = drawing.getBoundingClientRect();
    return Math.hypot((a[0] - b[0]) * width, (a[1] - b[1]) * height) < NEAR_PX;
  }
  function at(event) {
    const { left, top, width, height } = drawing.getBoundingClientRect();
    return [clamp((event.clientX - left) / width), clamp((event.clientY - top) / height)];
  }

  drawing.addEventListener("pointerdown", event => {
    if (readOnly || event.button) return;
    const point = at(event), { place, point: i, middle } = event.target.dataset;
    if (draft) {
      event.preventDefault();
      return addPoint(point);
    }
    const hit = place === undefined ? null : places[Number(place)];
    if (chosen !== hit) {
      chosen = hit;
      render();
      if (hit && i === undefined) held = { place: hit, from: point, start: hit.points.map(each => [...each]) };
      return;
    }
    if (!hit) return;
    if (middle !== undefined) {
      hit.points.splice(Number(middle) + 1, 0, point);
      held = { place: hit, i: Number(middle) + 1 };
      touched();
    } else held = i === undefined ? { place: hit, from: point, start: hit.points.map(each => [...each]) } : { place: hit, i: Number(i) };
    drawing.setPointerCapture(event.pointerId);
  });
  drawing.addEventListener("pointermove", event => {
    const point = at(event);
    if (draft) {
      draft.hover = point;
      return render();
    }
    if (!held) return;
    if (held.i !== undefined) held.place.points[held.i] = point;
    else {
      const dx = point[0] - held.from[0], dy = point[1] - held.from[1];
      if (Math.hypot(dx, dy) < 0.002) return;
      held.place.points = held.start.map(([x, y]) => [clamp(x + dx), clamp(y + dy)]);
    }
    touched();
  });
  const release = () => (held = null);
  drawing.addEventListener("pointerup", release);
  drawing.addEventListener("pointercancel", release);
  drawing.addEventListener("dblclick", event => {
    event.preventDefault();
    if (draft) finish();
  });

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  drawing.addEventListener("keydown", event => {
    if (readOnly) return;
    const arrow = ARROWS[event.key], step = event.shiftKey ? LARGE_STEP : STEP;
    const { place, point } = event.target.dataset;
    const hit = place === undefined ? null : places[Number(place)];
    if (draft) {
      if (arrow) draft.at = [clamp(draft.at[0] + arrow[0] * step * 4), clamp(draft.at[1] + arrow[1] * step * 4)];
      else if (event.key === " ") return event.preventDefault(), addPoint([...draft.at]);
      else if (event.key === "Enter") return event.preventDefault(), finish();
      else if (event.key === "Escape") draft = null;
      else if (event.key === "Backspace") draft.points.pop();
      else return;
      event.preventDefault();
      return render();
    }
    if (hit && point !== undefined) {
      const i = Number(point);
      if (arrow) {
        const [x, y] = hit.points[i];
        hit.points[i] = [clamp(x + arrow[0] * step), clamp(y + arrow[1] * step)];
        touched();
      } else if (event.key === "Delete" || event.key === "Backspace") removePoint(hit, i);
      else if (event.key === "Insert" || event.key === "+") {
        const [a, b] = [hit.points[i], hit.points[(i + 1) % hit.points.length]];
        hit.points.splice(i + 1, 0, [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
        touched();
      } else return;
    } else if (chosen && (event.key === "Delete" || event.key === "Backspace")) removePlace(chosen);
    else return;
    event.preventDefault();
  });

  // --- what is shown ---------------------------------------------------------------------------------------------

  const px = ([x, y]) => [x * size[0], y * size[1]];
  const path = (points, closed) => points.map((point, i) => `${i ? "L" : "M"}${px(point).join(" ")}`).join("") + (closed ? "Z" : "");

  function render() {
    const focused = document.activeElement?.dataset ?? {};
    const again = drawing.contains(document.activeElement) && focused.point !== undefined ? `[data-place="${focused.place}"][data-point="${focused.point}"]` : null;
    const unit = size[0] / Math.max(1, drawing.clientWidth || 800);
    const parts = [];
    places.forEach((place, n) => {
      const { kind, points } = place, is = place === chosen;
      parts.push(s("path", { class: `shape ${kind}${is ? " chosen" : ""}`, d: path(points, kind === "zone"), "data-place": n }));
      if (is && !readOnly) {
        const edges = kind === "zone" ? points.length : points.length - 1;
        for (let i = 0; i < edges; i++) {
          const [a, b] = [px(points[i]), px(points[(i + 1) % points.length])];
          parts.push(s("circle", { class: "middle", cx: (a[0] + b[0]) / 2, cy: (a[1] + b[1]) / 2, r: 5 * unit, "data-place": n, "data-middle": i }));
        }
        points.forEach((point, i) => {
          const [cx, cy] = px(point);
          parts.push(s("circle", { class: "corner", cx, cy, r: 7 * unit, tabindex: "0", role: "button", "aria-label": `Point ${i + 1} of ${place.name}`, "data-place": n, "data-point": i }));
        });
      }
      const [x, y] = px(points.reduce((sum, point) => [sum[0] + point[0] / points.length, sum[1] + point[1] / points.length], [0, 0]));
      parts.push(s("text", { class: "place-name", x, y, "text-anchor": "middle", style: { "font-size": `${13 * unit}px`, "stroke-width": `${3 * unit}px` } }, place.name));
    });
    if (draft) {
      const shownPoints = [...draft.points, ...(draft.points.length && draft.hover ? [draft.hover] : [])];
      parts.push(s("path", { class: `shape draft ${draft.kind}`, d: path(shownPoints, false) }));
      for (const point of draft.points) {
        const [cx, cy] = px(point);
        parts.push(s("circle", { class: "corner", cx, cy, r: 6 * unit }));
      }
      const [cx, cy] = px(draft.at);
      parts.push(s("path", { class: "shape line", d: `M${cx - 8 * unit} ${cy}H${cx + 8 * unit}M${cx} ${cy - 8 * unit}V${cy + 8 * unit}` }));
    }
    fill(drawing, ...parts);
    if (again) drawing.querySelector(again)?.focus();
    board.classList.toggle("drawing", Boolean(draft));
    hint.textContent = readOnly ?? (draft
      ? draft.kind === "zone" ? "Click to set points; click the first one, or press Enter, to finish. Escape gives up." : "Click where the line begins and where it ends."
      : chosen ? "Drag points or the whole shape; the pale dots between add points. Delete removes." : "Choose a zone or a line to change it, or draw a new one.");
    renderList();
  }

  function choice(what, place, key, choices) {
    const select = h("select", {
      "data-says": what,
      onchange: event => {
        place[key] = event.target.value;
        touched();
      },
    }, Object.entries(choices).map(([value, words]) => h("option", { value }, words)));
    select.value = place[key] ?? Object.keys(choices)[0];
    return select;
  }

  function renderList() {
    // While somebody types or chooses in it the list stays as it is: what has the focus must not be taken away.
    const busy = list.contains(document.activeElement) && ["INPUT", "SELECT"].includes(document.activeElement.tagName);
    if (!busy) fill(list, places.map(listed));
    for (const item of places.length ? list.children : []) {
      item.classList.toggle("chosen", item.place === chosen);
      if (item.severity) item.severity.hidden = !item.place.alert;
      for (const each of item.querySelectorAll("[data-says]")) each.setAttribute("aria-label", `${each.dataset.says} ${item.place.kind} ${item.place.name}`);
    }
    if (!places.length && !busy) fill(list, h("li", { class: "quiet" }, "None yet"));
  }

  function listed(place) {
    const used = usedBy[place.was] ?? [];
    const input = h("input", {
      value: place.name, disabled: Boolean(readOnly), maxlength: 64, "data-says": "Name of",
      oninput: event => {
        place.name = event.target.value;
        touched();
      },
      onfocus: () => {
        if (chosen !== place) {
          chosen = place;
          render();
        }
      },
    });
    const severity = choice("Severity of", place, "severity", { warning: "warning", critical: "critical", info: "info" });
    const item = h("li", {}, input,
      h("button", { class: "plain danger", type: "button", disabled: Boolean(readOnly), "data-says": "Delete", onclick: () => removePlace(place) }, "Delete"),
      h("span", { class: "about" }, `${place.kind}, ${place.points.length} points · ${used.length ? `used by ${used.join(", ")}` : "no rule uses it"}`),
      !used.length && !readOnly && h("div", { class: "alerting" },
        choice("Alert of", place, "alert", { "": "no alert", ...Object.fromEntries(Object.entries(RULES[place.kind]).map(([kind, { name: words }]) => [kind, words])) }),
        severity));
    Object.assign(item, { place, severity });
    return item;
  }

  touched(false);
  const leaving = event => dirty && event.preventDefault();
  addEventListener("beforeunload", leaving);
  load();
  const keys = [["Tab", "next point"], ["Arrows", "move it (Shift: further)"], ["Insert", "a point after it"], ["Delete", "remove it"], ["Space", "set a point while drawing"], ["Enter", "finish drawing"]];
  return {
    title: `Zones of ${name}`,
    element: h("div", {},
      h("div", { class: "head" }, h("a", { class: "crumb", href: "/" }, "Cameras"), h("span", { class: "quiet" }, "/"), h("a", { class: "crumb", href: url`/cameras/${name}` }, name),
        h("span", { class: "quiet" }, "/"), h("h1", {}, "Zones and lines"), h("span", { class: "grow" }), undo, save),
      h("div", { class: "places-page" },
        h("div", { class: "stack" }, h("div", { class: "head" }, addZone, addLine, hint), board, problems, effect),
        h("div", { class: "stack" },
          h("section", { class: "card", "aria-label": "List" }, h("header", {}, h("h2", {}, "Zones and lines")), list),
          h("section", { class: "card", "aria-label": "Keyboard" }, h("header", {}, h("h2", {}, "By keyboard")),
            h("div", { class: "body keys" }, keys.map(([key, words]) => [h("span", {}, h("kbd", {}, key)), h("span", {}, words)])))))),
    leave: () => !dirty || confirm("There are changes that were not saved. Leave anyway?"),
    close() {
      live.close();
      removeEventListener("beforeunload", leaving);
    },
  };
}
