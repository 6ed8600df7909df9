// One camera of the configuration: a new one, or one that is changed or taken out. It can be tried before.

import { get, post, put, remove, url } from "./api.js";
import { fill, h, note } from "./dom.js";
import { problemLines, resultList } from "./steps.js";

const DECODE = { "": "by itself", always: "every picture, always", motion: "asleep while nothing moves", key_frames: "key frames only", on_trigger: "only when woken" };
const PRIORITY = { low: "low", normal: "normal", high: "high" };
const TRANSPORT = { tcp: "TCP", udp: "UDP" };
// What the form shows, and what the file need not say.
const USUAL = { transport: "tcp", analyse_fps: 5, decode: null, priority: "normal" };

export function cameraFormPage(name = null) {
  let settings = {}, version = null;
  const options = choices => Object.entries(choices).map(([value, words]) => h("option", { value }, words));
  const called = h("input", { value: name ?? "", disabled: name !== null, required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9_.\\-]*", autocapitalize: "none", autocomplete: "off", title: "Letters, digits, - _ and ." });
  const address = h("input", { required: true, placeholder: "rtsp://user:password@camera/stream", autocapitalize: "none", autocomplete: "off", spellcheck: "false" });
  const transport = h("select", {}, options(TRANSPORT));
  const rate = h("input", { inputmode: "decimal", pattern: "all|[0-9]+(\\.[0-9]+)?|\\$\\{.+\\}", title: "A number, or all", required: true });
  const decode = h("select", {}, options(DECODE));
  const priority = h("select", {}, options(PRIORITY));
  const problems = h("div", { class: "problem", role: "alert", hidden: true });
  const seen = h("div", { class: "stack", role: "status" });
  const outcome = h("div", { class: "stack" });
  const attempt = h("button", { type: "button", onclick: tryIt }, "Try it");
  const save = h("button", { class: "primary", type: "submit" }, name === null ? "Add camera" : "Save");
  const takeOut = name !== null && h("button", { class: "danger", type: "button", onclick: askAgain }, "Remove camera");

  function show(found) {
    settings = found;
    const now = { ...USUAL, ...found };
    address.value = now.url ?? "";
    transport.value = now.transport;
    rate.value = now.analyse_fps ?? "all";
    decode.value = now.decode ?? "";
    priority.value = now.priority;
  }
  function wanted() {
    const typed = {
      url: address.value.trim(), transport: transport.value, decode: decode.value || null, priority: priority.value,
      analyse_fps: Number.isNaN(Number(rate.value)) ? rate.value.trim() : Number(rate.value),
    };
    const changed = { ...settings, ...typed };
    // What is as usual and did not stand there need not stand there now.
    for (const [key, usual] of Object.entries(USUAL)) if (!(key in settings) && changed[key] === usual) delete changed[key];
    return changed;
  }
  function tell(error) {
    fill(problems, problemLines(error.message));
    problems.hidden = false;
  }
  const busy = is => [attempt, save, takeOut].forEach(each => each && (each.disabled = is));

  async function tryIt() {
    if (!address.reportValidity()) return;
    busy(true);
    problems.hidden = true;
    fill(seen, h("p", { class: "quiet" }, "Opening the camera…"));
    try {
      const found = await post("/api/configuration/try", { camera: name, settings: wanted() });
      fill(seen,
        h("p", { class: found.ok ? "hint" : "problem" }, found.ok ? `It works: ${found.said}` : found.said),
        found.jpeg && h("img", { class: "tried", src: `data:image/jpeg;base64,${found.jpeg}`, alt: "Picture of the camera that was tried" }));
    } catch (error) {
      fill(seen);
      tell(error);
    } finally {
      busy(false);
    }
  }

  async function done(asked, to, said) {
    busy(true);
    problems.hidden = true;
    try {
      const result = await asked;
      if (result.done) {
        note(said);
        document.dispatchEvent(new CustomEvent("console:go", { detail: to }));
        return;
      }
      fill(outcome, resultList(result));
    } catch (error) {
      tell(error);
      if (error.status === 409) load();
    }
    busy(false);
  }

  function askAgain() {
    fill(outcome, h("div", { class: "problem stack", role: "alertdialog", "aria-label": "Remove camera" },
      h("p", {}, `Camera ${name}, its zones and its rules are taken out of the configuration. The history can bring them back.`),
      h("div", { class: "actions" },
        h("button", { class: "danger", type: "button", onclick: () => done(remove(`${url`/api/configuration/cameras/${name}?version=`}${version}`), "/", `Camera ${name} is removed`) }, "Remove it"),
        h("button", { type: "button", onclick: () => fill(outcome) }, "Keep it"))));
    outcome.querySelector("button").focus();
  }

  async function load() {
    try {
      if (name === null) {
        ({ version } = await get("/api/configuration"));
        if (!address.value) show({});
      } else {
        const found = await get(url`/api/configuration/cameras/${name}`);
        ({ version } = found);
        show(found.settings);
      }
    } catch (error) {
      tell(error);
      busy(true);
    }
  }

  function submit(event) {
    event.preventDefault();
    const camera = called.value.trim();
    if (name === null) done(post("/api/configuration/cameras", { camera, settings: wanted(), version }), "/", `Camera ${camera} is added`);
    else done(put(url`/api/configuration/cameras/${name}`, { settings: wanted(), version }), url`/cameras/${name}`, `Camera ${name} is changed`);
  }

  show({});
  load();
  const title = name === null ? "Add a camera" : `Settings of ${name}`;
  return {
    title,
    element: h("div", {},
      h("div", { class: "head" }, h("a", { class: "crumb", href: "/" }, "Cameras"), h("span", { class: "quiet" }, "/"), name !== null && [h("a", { class: "crumb", href: url`/cameras/${name}` }, name), h("span", { class: "quiet" }, "/")], h("h1", {}, name === null ? title : "Settings")),
      h("div", { class: "form-page" },
        h("form", { class: "card", "aria-label": title, onsubmit: submit },
          h("div", { class: "body stack" },
            h("label", {}, "Name", called), h("label", {}, "Address", address),
            h("p", { class: "quiet" }, "The address stands in the configuration file, its password too; shown anywhere it is ***."),
            h("div", { class: "pair" }, h("label", {}, "Transport of RTSP", transport), h("label", {}, "Pictures analysed a second", rate)),
            h("div", { class: "pair" }, h("label", {}, "Decoding", decode), h("label", {}, "Priority", priority)),
            problems, outcome,
            h("div", { class: "actions" }, save, attempt, h("span", { class: "grow" }), takeOut))),
        h("div", { class: "stack" }, seen,
          h("p", { class: "quiet" }, "Zones, lines and rules are drawn on the camera's own page; everything else is in the ", h("a", { href: "/configuration" }, "configuration"), ".")))),
  };
}
