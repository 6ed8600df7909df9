// What happens, as the service tells it: one stream for the whole console, shared by every page.

import { get } from "./api.js";

const listeners = new Set();
export const latest = { cameras: {}, counts: null, connected: false };
let source = null;

export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(name, body) {
  for (const listener of [...listeners]) listener(name, body);
}

export function begin() {
  if (source) return;
  source = new EventSource("/api/events");
  const on = (name, keep = () => {}) =>
    source.addEventListener(name, event => {
      const body = JSON.parse(event.data);
      keep(body);
      tell(name, body);
    });
  on("hello", body => (latest.counts = body.counts));
  on("counts", body => (latest.counts = body));
  on("cameras", body => (latest.cameras = body));
  on("alert");
  on("silences");
  on("missed");
  on("configuration");
  source.onopen = () => {
    latest.connected = true;
    tell("connected", {});
  };
  source.onerror = () => {
    if (latest.connected) {
      latest.connected = false;
      tell("connected", {});
    }
    if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
    get("/api/session").catch(() => {}); // whoever is logged out meanwhile is sent to the door
    setTimeout(() => {
      source = null;
      begin();
    }, 2000);
  };
}
