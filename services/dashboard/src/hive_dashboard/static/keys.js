// The keyboard: `?` help, `/` filter, `g` and a letter goes, Space pauses the log. Off inside inputs.
import { html, signal } from "../hiveweb/vendor/preact.js";
import { KeysDialog } from "../hiveweb/dialog.js";

const helping = signal(false);
const GO = { r: "#/agents", a: "#/approvals", l: "#/logs", h: "#/" };
const GO_MS = 1500;
const KEYS = [
  ["?", "this help"], ["/", "filter"], ["g h", "what needs attention"], ["g r", "roster of agents"], ["g a", "approvals"], ["g l", "logs"],
  ["Space", "logs: pause or follow"], ["Ctrl+Enter", "send the message"], ["Esc", "close a dialog, leave a field"],
];

export function bindKeys() {
  let goAt = 0;
  addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && field && !field.closest("dialog")) field.blur();
    if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (Date.now() - goAt < GO_MS && GO[event.key]) {
      goAt = 0;
      location.hash = GO[event.key];
    } else if (event.key === "g") goAt = Date.now();
    else if (event.key === "?") helping.value = true;
    else if (event.key === "/") {
      const filter = document.querySelector("[data-filter]");
      if (!filter) return;
      filter.focus();
      filter.select();
    } else return;
    event.preventDefault();
  });
}

export const Help = () => helping.value && html`<${KeysDialog} keys=${KEYS} onClose=${() => { helping.value = false; }} />`;
