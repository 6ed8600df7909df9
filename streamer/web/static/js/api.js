// The API: one function per way of asking. Whoever is not logged in any more is sent to the door.

export const session = { user: null, role: null, csrf: null, login: true };
const RANK = { viewer: 1, operator: 2, admin: 3 };
export const may = role => (RANK[session.role] ?? 0) >= RANK[role];

export class Refused extends Error {
  constructor(status, sentence, detail) {
    super(sentence);
    this.status = status;
    this.detail = detail;
  }
}

export async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && session.csrf) headers["X-CSRF-Token"] = session.csrf;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Refused(0, "the service cannot be reached");
  }
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  if (answer.status === 401 && path !== "/api/login" && session.user) {
    session.user = null;
    location.reload();
  }
  throw new Refused(answer.status, sentenceOf(said.detail) ?? `the service answered ${answer.status}`, said.detail);
}

function sentenceOf(detail) {
  if (typeof detail === "string") return detail;
  if (detail?.problems) return detail.problems.join("\n");
  if (Array.isArray(detail)) return detail.map(each => `${each.loc?.slice(1).join(".")}: ${each.msg}`).join("\n");
  return undefined;
}

export const get = path => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const put = (path, body) => ask("PUT", path, body);
export const remove = path => ask("DELETE", path);
export const url = (strings, ...values) => strings.reduce((text, part, i) => text + encodeURIComponent(values[i - 1]) + part);
