// One camera's picture with everything that is drawn over it, on one canvas; what is drawn is for people to choose.

import { h } from "./dom.js";

const CHOICES = { boxes: true, labels: true, trails: true, zones: true };
const KEPT_S = 4;

export const shown = (() => {
  try {
    return { ...CHOICES, ...JSON.parse(localStorage.getItem("streamer.shown") ?? "{}") };
  } catch {
    return { ...CHOICES };
  }
})();
export function choose(what, on) {
  shown[what] = on;
  localStorage.setItem("streamer.shown", JSON.stringify(shown));
}

const COLOURS = { person: "#5fd0dc", car: "#f2c25c", bus: "#f2c25c", truck: "#f2c25c", motorcycle: "#e69a5c", bicycle: "#9bd97a" };

export class Screen {
  constructor(name, places) {
    this.places = places;
    this.canvas = h("canvas", { role: "img", "aria-label": `Live picture of ${name}` });
    this.alerted = new Set();
    this.trails = new Map();
    this.bitmap = null;
    this.body = null;
    this.dirty = false;
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(body, bitmap) {
    this.bitmap?.close();
    if (this.body && this.body.session !== body.session) this.trails.clear();
    this.bitmap = bitmap;
    this.body = body;
    const [width, height] = body.size;
    for (const each of body.objects) {
      if (each.track_id === null) continue;
      const trail = this.trails.get(each.track_id) ?? [];
      trail.push([body.media_s, (each.box[0] + each.box[2]) / 2 / width, each.box[3] / height]);
      this.trails.set(each.track_id, trail);
    }
    for (const [id, trail] of this.trails) {
      while (trail.length && trail[0][0] < body.media_s - KEPT_S) trail.shift();
      if (!trail.length) this.trails.delete(id);
    }
    this.canvas.dataset.index = body.index ?? "";
    this.canvas.dataset.objects = body.objects.filter(each => each.track_id !== null).length;
    this.canvas.dataset.pictures = Number(this.canvas.dataset.pictures ?? 0) + 1;
    this.draw();
  }

  // Where things are between two results: share 0 is the one, 1 the other.
  between(last, next, share) {
    const then = new Map(next.objects.map(each => [each.track_id, each.box]));
    const objects = last.objects.map(each => {
      const to = each.track_id === null ? undefined : then.get(each.track_id);
      return to ? { ...each, box: each.box.map((from, i) => from + (to[i] - from) * Math.min(1, share)) } : each;
    });
    this.body = { ...last, objects };
    this.draw();
  }

  draw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.paint();
    });
  }

  paint() {
    if (!this.body) return;
    const ratio = window.devicePixelRatio || 1, { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth) return;
    const width = Math.round(clientWidth * ratio), height = Math.round(clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const pen = this.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    const [sourceW, sourceH] = this.body.size;
    const scale = Math.min(width / sourceW, height / sourceH);
    const w = sourceW * scale, x0 = (width - w) / 2, hgt = sourceH * scale, y0 = (height - hgt) / 2;
    pen.imageSmoothingQuality = "high";
    if (this.bitmap) pen.drawImage(this.bitmap, x0, y0, w, hgt);  // else a video lies under the canvas
    pen.translate(x0, y0);
    if (shown.zones) this.paintPlaces(pen, w, hgt, ratio);
    if (shown.trails) this.paintTrails(pen, w, hgt, ratio);
    if (shown.boxes) this.paintBoxes(pen, scale, ratio);
  }

  paintPlaces(pen, w, height, ratio) {
    const path = (points, closed) => {
      pen.beginPath();
      points.forEach(([x, y], i) => (i ? pen.lineTo(x * w, y * height) : pen.moveTo(x * w, y * height)));
      if (closed) pen.closePath();
    };
    pen.lineWidth = 1.25 * ratio;
    for (const points of Object.values(this.places.zones)) {
      path(points, true);
      pen.fillStyle = "rgb(95 208 220 / .07)";
      pen.fill();
      pen.strokeStyle = "rgb(127 211 220 / .65)";
      pen.stroke();
    }
    pen.strokeStyle = "rgb(242 180 92 / .9)";
    for (const points of Object.values(this.places.lines)) {
      path(points, false);
      pen.stroke();
    }
  }

  paintTrails(pen, w, height, ratio) {
    pen.lineWidth = 1.5 * ratio;
    pen.strokeStyle = "rgb(255 255 255 / .55)";
    for (const trail of this.trails.values()) {
      pen.beginPath();
      trail.forEach(([, x, y], i) => (i ? pen.lineTo(x * w, y * height) : pen.moveTo(x * w, y * height)));
      pen.stroke();
    }
  }

  paintBoxes(pen, scale, ratio) {
    pen.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    pen.textBaseline = "top";
    const small = this.canvas.clientWidth < 520;
    for (const each of this.body.objects) {
      if (each.track_id === null) continue;
      const colour = this.alerted.has(each.track_id) ? "#ff6b61" : COLOURS[each.label] ?? "#c9b7ff";
      const [x1, y1, x2, y2] = each.box.map(edge => edge * scale);
      const alerted = this.alerted.has(each.track_id);
      pen.lineWidth = (alerted ? 2.5 : 1.5) * ratio;
      pen.strokeStyle = colour;
      pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      if (!shown.labels || (small && !alerted)) continue;  // on a small picture words would hide more than they say
      const behaviour = each.behaviour && each.behaviour.label !== "normal" ? ` · ${each.behaviour.label}` : "";
      const text = `${each.label} ${each.track_id}${behaviour}`;
      const wide = pen.measureText(text).width + 8 * ratio, high = 15 * ratio;
      const top = y1 >= high ? y1 - high : y1;
      pen.fillStyle = colour;
      pen.fillRect(x1 - ratio, top, wide, high);
      pen.fillStyle = "#081012";
      pen.fillText(text, x1 + 3 * ratio, top + 2 * ratio);
    }
  }

  forget() {
    this.bitmap?.close();
    this.bitmap = this.body = null;
    this.trails.clear();
  }

  close() {
    this.forget();
  }
}

export function toggles(onChange) {
  const names = { boxes: "Boxes", labels: "Labels", trails: "Tracks", zones: "Zones" };
  return h("div", { class: "segments", role: "group", "aria-label": "What is drawn over the pictures" },
    Object.entries(names).map(([what, name]) =>
      h("button", {
        type: "button", "aria-pressed": String(shown[what]),
        onclick: event => {
          choose(what, !shown[what]);
          event.currentTarget.setAttribute("aria-pressed", String(shown[what]));
          onChange();
        },
      }, name)));
}
