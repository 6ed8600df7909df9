// Numbers and names as people say them.

const KINDS = {
  intrusion: "Intrusion", loitering: "Loitering", line_crossing: "Line crossed", occupancy: "Occupancy",
  wrong_direction: "Wrong direction", stopped: "Stopped vehicle", speeding: "Speeding",
  "behaviour.fallen": "Person fallen", "behaviour.running": "Person running", "behaviour.fighting": "Fight",
  "behaviour.anomaly": "Unusual behaviour", "behaviour.drift": "Behaviour has changed",
  "camera.offline": "Camera offline", "camera.frozen": "Picture frozen", "camera.dark": "Picture dark",
  "camera.blurred": "Picture blurred", "camera.moved": "Camera moved", "camera.clock_skew": "Clock is wrong",
  "camera.rule_failed": "Rule disabled by an error",
};
export const kindName = kind => KINDS[kind] ?? kind.replace(/[._]/g, " ").replace(/^./, first => first.toUpperCase());

export const REASONS = {
  rate: "not needed at this rate", asleep: "asleep, nothing moved", full: "queue was full", stale: "too old",
  overload: "the model had no time", unanswered: "no inference node answered", corrupt: "could not be decoded", repeated: "came twice",
  timestamp: "time could not be repaired", shutdown: "service stopped", crashed: "capture process died",
};
export const LINKS = { connecting: "Connecting", online: "Online", offline: "Offline", ended: "Ended" };

export function clock(epochS, seconds = true) {
  return new Date(epochS * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined });
}
export function when(epochS) {
  const then = new Date(epochS * 1000), today = new Date();
  if (then.toDateString() === today.toDateString()) return clock(epochS);
  return `${then.toLocaleDateString([], { day: "numeric", month: "short" })}, ${clock(epochS, false)}`;
}
export const exactly = epochS => new Date(epochS * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });

export function span(seconds) {
  if (seconds < 0.0005) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
export const sentence = text => text.replace(/^./, first => first.toUpperCase());
export function troubleOf(text) {
  const said = text.replace(/^camera '[^']*': /, "");
  return /^\w+:\/\//.test(said) ? said : sentence(said);
}
export const count = n => n.toLocaleString();
export const percent = share => `${(share * 100).toFixed(share > 0.9995 || share === 0 ? 0 : 1)} %`;
export function inView(objects) {
  const counts = new Map();
  for (const each of objects) if (each.track_id !== null) counts.set(each.label, (counts.get(each.label) ?? 0) + 1);
  if (!counts.size) return "nobody in view";
  return [...counts].map(([label, n]) => `${n} ${label}${n > 1 ? "s" : ""}`).join(", ");
}
