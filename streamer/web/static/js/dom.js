// Elements out of names, attributes and children; nothing is ever parsed from text.

const SVG = "http://www.w3.org/2000/svg";

const real = children => children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false);

function built(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else if (name === "style") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...real(children));
  return element;
}

export const h = (tag, attributes, ...children) => built(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => built(document.createElementNS(SVG, tag), attributes, children);

// What an element holds from now on.
export const fill = (element, ...children) => element.replaceChildren(...real(children));

const PATHS = {
  cameras: "M3 5h10a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zm11 3 4-2v8l-4-2",
  theme: "M10 3a7 7 0 1 0 7 7c-4 2-9-2-7-7z",
  leave: "M8 4H4v12h4m4-9 3 3-3 3m3-3H8",
  configuration: "M4 5h12M4 10h12M4 15h12M7 3.5v3M13 8.5v3M8 13.5v3",
  audit: "M5 3h7l3 3v11H5zM8 9h4M8 12h4",
  alerts: "M10 3a5 5 0 0 0-5 5v3l-1.5 3h13L15 11V8a5 5 0 0 0-5-5zm-2 11a2 2 0 0 0 4 0",
};

export const icon = name =>
  s("svg", { viewBox: "0 0 20 20", fill: "none", stroke: "currentColor", "stroke-width": "1.6", "stroke-linejoin": "round", "aria-hidden": "true" },
    s("path", { d: PATHS[name] }));

// A sentence in the corner, for a while.
export function note(sentence, bad = false) {
  const shown = h("div", { class: bad ? "note bad" : "note", role: bad ? "alert" : null }, sentence);
  document.getElementById("notes").append(shown);
  setTimeout(() => shown.remove(), bad ? 9000 : 4500);
}
