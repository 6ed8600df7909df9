// The door: a name and a password.

import { post, session } from "./api.js";
import { h } from "./dom.js";

export function loginPage(onDone) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const user = h("input", { name: "user", autocomplete: "username", required: true, autofocus: true, autocapitalize: "none" });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const button = h("button", { class: "primary", type: "submit" }, "Log in");
  const form = h("form", {
    class: "card", "aria-label": "Log in",
    onsubmit: async event => {
      event.preventDefault();
      button.disabled = true;
      problem.hidden = true;
      try {
        Object.assign(session, await post("/api/login", { user: user.value, password: password.value }));
        onDone();
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
        password.select();
      } finally {
        button.disabled = false;
      }
    },
  },
    h("div", { class: "brand" }, h("img", { src: "/static/icon.svg", alt: "" }), "Streamer"),
    h("h1", { class: "visually-hidden" }, "Log in"),
    h("label", {}, "Name", user), h("label", {}, "Password", password), problem, button);
  return h("main", { class: "door" }, form);
}
