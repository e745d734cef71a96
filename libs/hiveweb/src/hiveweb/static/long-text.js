// Text that somebody wrote, as it is: a text node with the direction of its own, its tail behind a button.
import { html, useState } from "./vendor/preact.js";
import { bytes, plain } from "./format.js";

export const SHOWN_CHARACTERS = 6000;

/** `draw(text)` turns what is shown into nodes; it is given text, never markup. */
export function LongText({ text, draw = plain, class: name = "" }) {
  const [whole, setWhole] = useState(false);
  const all = String(text ?? "");
  const cut = !whole && all.length > SHOWN_CHARACTERS;
  return html`<div class=${`long-text ${name}`} dir="auto">${draw(cut ? all.slice(0, SHOWN_CHARACTERS) : all)}${cut && html`…
    <button class="link" onClick=${() => setWhole(true)}>show all (${bytes(all.length)})</button>`}</div>`;
}
