// The box to write to an agent: grows with its text, keeps a draft per agent, sends with Ctrl+Enter.
import { html, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { Icon } from "./icon.js";
import { keep, kept } from "./keep.js";

const TALLEST = 0.4; // of the window

/** `send(text)` takes what was written; `off` says why nothing can be sent now. */
export function SendBox({ name, placeholder, off = "", send }) {
  const key = `hive.draft.${name}`;
  const [draft, setDraft] = useState(() => String(kept(key, "")));
  const box = useRef();
  useLayoutEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(box.current.scrollHeight + 2, innerHeight * TALLEST)}px`;
  }, [draft]);
  const edit = (text) => { setDraft(text); keep(key, text || null); };
  function submit(event) {
    event.preventDefault();
    if (!draft.trim() || off) return;
    send(draft);
    edit("");
  }
  return html`<form class="send" onSubmit=${submit}>
    <label class="visually-hidden" for="message">message to ${name}</label>
    <textarea id="message" ref=${box} rows="1" value=${draft} placeholder=${placeholder} onInput=${(event) => edit(event.target.value)}
      onKeyDown=${(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event); }}></textarea>
    <button class="primary" disabled=${!draft.trim() || Boolean(off)} title=${off} aria-label="send"><${Icon} name="send" /> <span class="wide-only">Send</span></button>
  </form>`;
}
