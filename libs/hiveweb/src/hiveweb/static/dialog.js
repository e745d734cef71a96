// A modal dialog; Escape and its button close it, and the focus goes back to where it was.
import { html, useEffect, useRef } from "./vendor/preact.js";
import { Icon } from "./icon.js";

export function Dialog({ title, onClose, children }) {
  const ref = useRef();
  useEffect(() => {
    const before = document.activeElement;
    ref.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${ref} onClose=${onClose} aria-label=${title}>
    <div class="head"><h2>${title}</h2><button class="quiet" aria-label="close" onClick=${() => ref.current.close()}><${Icon} name="x" /></button></div>
    ${children}</dialog>`;
}

/** What the keys do: `[[key, what], …]`. */
export const KeysDialog = ({ keys, onClose }) => html`<${Dialog} title="Keys" onClose=${onClose}>
  <dl class="keys">${keys.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl></${Dialog}>`;
