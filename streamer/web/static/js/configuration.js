// The configuration as a text: what another would change, bringing it in, and the way back.

import { get, post, put, url } from "./api.js";
import { fill, h, note } from "./dom.js";
import { problemLines, resultList, stepList } from "./steps.js";
import { exactly, when } from "./words.js";

export function configurationPage() {
  let version = null, shown = "", planned = null;
  const text = h("textarea", { class: "source", "aria-label": "Configuration", spellcheck: "false", autocomplete: "off", autocapitalize: "none", wrap: "off", oninput: edited });
  const state = h("span", { class: "tag" });
  const problems = h("div", { class: "problem", role: "alert", hidden: true });
  const ahead = h("div", { class: "stack", "aria-live": "polite" });
  const outcome = h("div", { class: "stack", "aria-live": "polite" });
  const past = h("div", { class: "body" });
  const look = h("button", { type: "button", onclick: plan }, "See what would change");
  const apply = h("button", { class: "primary", type: "button", disabled: true, onclick: bringIn }, "Apply");
  const discard = h("button", { type: "button", disabled: true, onclick: load }, "Discard changes");

  function edited() {
    planned = null;
    apply.disabled = true;
    discard.disabled = text.value === shown;
    fill(ahead);
    fill(outcome);
  }
  function tell(error) {
    fill(problems, problemLines(error.message));
    problems.hidden = false;
  }
  function stand(found) {
    ({ version } = found);
    state.className = `tag ${found.in_force && !found.restart.length ? "good" : "warning"}`;
    state.textContent = found.problems.length ? "the file is broken" : !found.in_force ? "the file is not in force" : found.restart.length ? "parts wait for a restart" : "in force";
    text.disabled = look.disabled = found.text === null;
  }

  async function load() {
    try {
      const found = await get("/api/configuration");
      stand(found);
      text.value = shown = found.text ?? "";
      shown = text.value; // as the browser keeps it
      problems.hidden = true;
      edited();
      if (found.problems.length) tell({ message: found.problems.join("\n") });
      else if (!found.in_force || found.restart.length) plan();
      await loadPast();
    } catch (error) {
      tell(error);
    }
  }

  async function plan() {
    const wanted = text.value;
    try {
      const steps = await post("/api/configuration/plan", { text: wanted });
      if (text.value !== wanted) return;
      problems.hidden = true;
      planned = wanted;
      apply.disabled = !steps.cameras.length && wanted === shown;
      fill(ahead, h("section", { class: "card", "aria-label": "Plan" }, h("header", {}, h("h2", {}, "What would change")), h("div", { class: "body" }, stepList(steps))));
    } catch (error) {
      edited();
      tell(error);
    }
  }

  async function done(asked) {
    apply.disabled = look.disabled = true;
    try {
      const result = await asked;
      await load();
      fill(outcome, resultList(result));
      if (result.done) note("The configuration is in force");
    } catch (error) {
      tell(error);
      apply.disabled = planned !== text.value;
    } finally {
      look.disabled = text.disabled;
    }
  }
  function bringIn() {
    done(put("/api/configuration", { text: planned, version }));
  }

  async function loadPast() {
    const { history } = await get("/api/configuration/history");
    fill(past, history.length ? h("ul", { class: "past", "aria-label": "History" }, history.map(entry)) : h("p", { class: "quiet" }, "Nothing yet."));
  }

  function entry({ number, at, who, why }, i) {
    const under = h("div", { class: "stack", hidden: true });
    const open = async (asked, made) => {
      try {
        fill(under, made(await asked));
        under.hidden = false;
      } catch (error) {
        note(error.message, true);
      }
    };
    const show = h("button", { class: "small", type: "button", "aria-label": `Show number ${number}`, onclick: () => under.hidden ? open(get(url`/api/configuration/history/${number}`), found => h("pre", { class: "source", tabindex: "0", "aria-label": `Number ${number}` }, found.text)) : (under.hidden = true) }, "Show");
    const confirm = steps => h("div", { class: "stack" }, stepList(steps),
      h("button", { class: "primary", type: "button", onclick: () => done(post("/api/configuration/rollback", { number, version })) }, `Go back to number ${number}`));
    const back = h("button", { class: "small", type: "button", "aria-label": `Roll back to number ${number}`, onclick: () => open(post("/api/configuration/plan", { number }), confirm) }, "Roll back");
    return h("li", {},
      h("div", { class: "row" }, h("b", {}, number), h("time", { title: exactly(at) }, when(at)), h("span", {}, who), h("span", { class: "quiet why" }, why), i === 0 && h("span", { class: "tag" }, "newest"), h("span", { class: "grow" }), show, back),
      under);
  }

  const leaving = event => text.value !== shown && event.preventDefault();
  addEventListener("beforeunload", leaving);
  load();
  return {
    title: "Configuration",
    element: h("div", {},
      h("div", { class: "head" }, h("h1", {}, "Configuration"), state, h("span", { class: "grow" }), h("a", { class: "button", href: "/configuration/add" }, "Add a camera"), discard, look, apply),
      h("div", { class: "stack" }, problems, outcome, ahead,
        h("p", { class: "quiet" }, "*** stands for what is hidden; left as it is, it stays what it was. Comments and ${NAME} are kept as they are written."),
        text,
        h("section", { class: "card", "aria-label": "Past" }, h("header", {}, h("h2", {}, "History")), past))),
    leave: () => text.value === shown || confirm("There are changes that were not applied. Leave anyway?"),
    close: () => removeEventListener("beforeunload", leaving),
  };
}
