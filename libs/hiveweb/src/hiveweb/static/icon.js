// Icons (Lucide), from one file; decoration only: the words beside them say the same.
import { html } from "./vendor/preact.js";

const SPRITE = new URL("./vendor/icons.svg", import.meta.url).pathname;

export const Icon = ({ name, spin = false }) => html`
  <svg class=${spin ? "icon spin" : "icon"} aria-hidden="true" focusable="false"><use href=${`${SPRITE}#${name}`} /></svg>`;
