// The keyboard: off inside fields and while a dialog is open.
import { html, signal } from "../hiveweb/vendor/preact.js";
import { KeysDialog } from "../hiveweb/dialog.js";

const KEYS = [
  ["?", "this help"], ["m", "write a message"], ["Ctrl+Enter", "send the message"], ["j / k", "next, previous turn"], ["o", "unfold or fold what is in this turn"],
  ["Space", "stop at this place, or follow what happens"], ["End", "to the latest"], ["Esc", "leave a field, close a dialog"],
];
const helping = signal(false);
export const showKeys = () => { helping.value = true; };

export const Help = () => helping.value && html`<${KeysDialog} keys=${KEYS} onClose=${() => { helping.value = false; }} />`;

const turns = () => [...document.querySelectorAll("[role=log] > .turn")];
const current = () => document.activeElement?.closest?.(".turn");

function step(by) {
  const all = turns();
  const at = all.indexOf(current());
  const next = all[at < 0 ? (by < 0 ? all.length - 1 : 0) : Math.min(all.length - 1, Math.max(0, at + by))];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "start" });
}

function fold() {
  const turn = current() ?? turns().at(-1);
  const parts = [...(turn?.querySelectorAll("details") ?? [])];
  const open = parts.some((one) => !one.open);
  for (const one of parts) one.open = open;
}

/** Answer keys for a stream; `follow()` is what `useFollow` returned last. Returns how to end that. */
export function bindStream(follow) {
  const acts = {
    "?": showKeys,
    m: () => document.getElementById("message")?.focus(),
    j: () => { follow().leaveEnd(); step(1); },
    k: () => { follow().leaveEnd(); step(-1); },
    o: () => { follow().leaveEnd(); fold(); },
    " ": () => (follow().atEnd ? follow().leaveEnd() : follow().toEnd()),
    End: () => follow().toEnd(),
  };
  const onKey = (event) => {
    const field = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && field && !field.closest("dialog")) field.blur();
    if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // Space presses what has the focus, if it can be pressed.
    if (event.key === " " && event.target.closest?.("button, summary, a")) return;
    const act = Object.hasOwn(acts, event.key) && acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}
