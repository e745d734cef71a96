// The roster: every agent at a glance, in a stable order; and the dialog that spawns one.
import { html, signal, useRef, useState } from "../hiveweb/vendor/preact.js";
import { Dialog } from "../hiveweb/dialog.js";
import { plain } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { uuid } from "../hiveweb/outbox.js";
import { act, actOrTell } from "./acts.js";
import { Marks, Since, StateTag, doing } from "./state.js";
import { agents, kept, reachable } from "./store.js";

const filter = signal("");
const spawning = signal(null);

export function AgentRow({ row }) {
  const text = doing(row);
  return html`<li class="card agent-row" data-agent=${row.name}>
    <div class="who-and-state"><a class="name" href=${`#/agents/${row.name}`}>${row.name}</a> <${StateTag} row=${row} /> <${Since} row=${row} /></div>
    <div class="doing dim" dir="auto" title=${plain(text)}>${plain(text)}</div>
    <div class="marks">
      ${row.harness.unread > 0 && html`<span class="tag accent"><${Icon} name="mail" />${row.harness.unread} unread</span>`}
      <${Marks} row=${row} />
      <span class="tag" title="the port of its own page">:${row.port}</span></div>
  </li>`;
}

export function AgentsPage() {
  const wanted = filter.value.trim().toLowerCase();
  const rows = (agents.value ?? []).filter((row) => !wanted || `${row.name} ${doing(row)} ${row.state} ${row.harness.activity ?? ""}`.toLowerCase().includes(wanted));
  return html`
    <div class="head"><h1>Agents</h1><${SpawnButton} /></div>
    <label class="visually-hidden" for="filter">filter agents</label>
    <input id="filter" data-filter type="search" placeholder="Filter by name or what it does ( / )" value=${filter.value} onInput=${(event) => { filter.value = event.target.value; }} />
    ${agents.value === null && html`<p class="dim">Waiting for the roster…</p>`}
    ${agents.value?.length === 0 && html`<p class="empty">No agents yet. Spawn one here, or with <code>hive spawn alice</code>.</p>`}
    ${agents.value?.length > 0 && rows.length === 0 && html`<p class="empty">No agent matches “${filter.value}”.</p>`}
    <ul class="roster">${rows.map((row) => html`<${AgentRow} key=${row.name} row=${row} />`)}</ul>
    <${Kept} />`;
}

function Kept() {
  const names = [...(kept.value?.keys() ?? [])].sort();
  return names.length > 0 && html`<section aria-label="destroyed agents"><h2>Destroyed, but kept</h2>
    <p class="dim">Their login and notes are still there: spawning one again revives it.</p>
    <ul class="roster">${names.map((name) => html`<li class="card kept" key=${name}><b>${name}</b>
      <button onClick=${() => { spawning.value = { name }; }} disabled=${!reachable("lifecycle")}><${Icon} name="rotate-cw" /> Revive</button></li>`)}</ul></section>`;
}

export const SpawnButton = () => html`<button class="primary" disabled=${!reachable("lifecycle")} onClick=${() => { spawning.value = { name: "" }; }}>
  <${Icon} name="plus" /> Spawn an agent</button>`;

export const Refusal = ({ error }) => error && html`<div class="error" role="alert"><bdi>${plain(error.message)}</bdi>${error.hint && html`<div class="hint"><bdi>${plain(error.hint)}</bdi></div>`}</div>`;

export function SpawnDialog() {
  return spawning.value && html`<${SpawnForm} start=${spawning.value.name} />`;
}

function SpawnForm({ start }) {
  const [name, setName] = useState(start);
  const [persona, setPersona] = useState("");
  const [model, setModel] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const id = useRef(uuid());
  const close = () => { spawning.value = null; };
  const edit = (set) => (event) => { set(event.target.value); id.current = uuid(); };
  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const settings = { persona, ...(model.trim() ? { model: model.trim() } : {}) };
    try {
      await act("spawn", { agent: name.trim(), settings }, id.current);
      close();
      location.hash = `#/agents/${name.trim()}`;
    } catch (refused) {
      setError(refused);
      setBusy(false);
    }
  }
  return html`<${Dialog} title="Spawn an agent" onClose=${close}>
    <form onSubmit=${submit}>
      <label>Name <span class="dim">1 to 9 of a–z, 0–9 and -</span>
        <input name="agent" value=${name} onInput=${edit(setName)} required autofocus autocomplete="off" autocapitalize="none" spellcheck=${false} /></label>
      <label>Persona <span class="dim">optional: who it is and how it works</span>
        <textarea name="persona" value=${persona} onInput=${edit(setPersona)} maxlength="20000" rows="4"></textarea></label>
      <label>Model <span class="dim">optional</span>
        <input name="model" value=${model} onInput=${edit(setModel)} placeholder="the default" autocomplete="off" autocapitalize="none" spellcheck=${false} /></label>
      <${Refusal} error=${error} />
      <div class="buttons"><button type="button" onClick=${close}>Cancel</button>
        <button class="primary" disabled=${busy || !name.trim() || !reachable("lifecycle")}>${busy ? "Asking…" : "Spawn"}</button></div>
    </form></${Dialog}>`;
}

/** Destroying takes the agent's name, typed. */
export function DestroyDialog({ name, onClose }) {
  const [typed, setTyped] = useState("");
  const [purge, setPurge] = useState(false);
  const [error, setError] = useState(null);
  async function submit(event) {
    event.preventDefault();
    try {
      await act("destroy", { agent: name, confirm: typed, purge });
      onClose();
    } catch (refused) {
      setError(refused);
    }
  }
  return html`<${Dialog} title=${`Destroy ${name}`} onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>${purge ? "Its login, notes and configuration are wiped. This cannot be undone." : "It is removed; its login and notes are kept, and spawning it again revives it."}</p>
      <label class="check"><input type="checkbox" checked=${purge} onChange=${(event) => setPurge(event.target.checked)} /> Wipe its login and notes too</label>
      <label>Type <code>${name}</code> to confirm
        <input name="confirm" value=${typed} onInput=${(event) => setTyped(event.target.value)} autofocus autocomplete="off" autocapitalize="none" spellcheck=${false} /></label>
      <${Refusal} error=${error} />
      <div class="buttons"><button type="button" onClick=${onClose}>Cancel</button>
        <button class="danger primary" disabled=${typed !== name || !reachable("lifecycle")}><${Icon} name="trash-2" /> ${purge ? "Destroy and wipe" : "Destroy"}</button></div>
    </form></${Dialog}>`;
}

/** A button for a verb of lifecycle; `compact` leaves the icon alone on a phone. */
export const Verb = ({ verb, name, icon, title, tone = "", compact = false }) => html`<button class=${tone} aria-label=${title} title=${title} disabled=${!reachable("lifecycle")} onClick=${() => actOrTell(verb, { agent: name })}>
  <${Icon} name=${icon} /> <span class=${compact ? "wide-only" : ""}>${title}</span></button>`;
