// Schedules: prompts that agents get at set times.
import { html, useState } from "../hiveweb/vendor/preact.js";
import { absolute, plain, relative } from "../hiveweb/format.js";
import { LongText } from "../hiveweb/long-text.js";
import { act, actOrTell } from "./acts.js";
import { Refusal } from "./agents.js";
import { agents, reachable, schedules } from "./store.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A schedule's fields from its form, as the hive takes them. */
const wish = ({ prompt, cron, once, zone }) => ({ prompt, timing: once ? { once, zone } : { cron, zone } });

function Fields({ wanted, setWanted }) {
  const field = (name) => ({ value: wanted[name], onInput: (event) => setWanted({ ...wanted, [name]: event.target.value }) });
  return html`<label>Minute, hour, day, month, weekday <input ...${field("cron")} /></label>
    <label>Or once, at <input type="datetime-local" ...${field("once")} /></label>
    <label>Time zone <input ...${field("zone")} /></label>
    <label class="wide">Prompt <textarea required maxlength="20000" ...${field("prompt")}></textarea></label>`;
}

function Edit({ one, onDone }) {
  const [wanted, setWanted] = useState({ prompt: one.prompt, cron: one.cron ?? "", once: (one.once ?? "").replace(" ", "T"), zone: one.zone });
  const [error, setError] = useState(null);
  async function save(event) {
    event.preventDefault();
    setError(null);
    try {
      await act("edit-schedule", { id: one.id, ...wish(wanted) });
      onDone();
    } catch (refused) {
      setError(refused);
    }
  }
  return html`<form class="schedule" onSubmit=${save} aria-label=${`edit schedule ${one.id}`}><${Fields} wanted=${wanted} setWanted=${setWanted} />
    <${Refusal} error=${error} />
    <div class="buttons"><button type="button" onClick=${onDone}>Back</button><button class="primary" disabled=${!reachable("approvals")}>Save</button></div></form>`;
}

function Row({ one }) {
  const [editing, setEditing] = useState(false);
  const off = !reachable("approvals");
  const button = (verb, words) => html`<button disabled=${off} onClick=${() => actOrTell(`${verb}-schedule`, { id: one.id })}>${words}</button>`;
  return html`<li class="card" data-schedule=${one.id}>
    <div class="label"><a href=${`#/agents/${one.agent}`}><b>${one.agent}</b></a> <code>${plain(one.cron ?? one.once)}</code> <span class="dim">${plain(one.zone)}</span>
      <span class="tag">${plain(one.state)}</span>
      ${one.next_at && html`<time class="dim" datetime=${one.next_at} title=${absolute(one.next_at)}>next ${absolute(one.next_at)}</time>`}
      <span class="dim">sent ${one.fired} times${one.last_at ? `, last ${relative(one.last_at)}` : ""}</span></div>
    ${editing ? html`<${Edit} one=${one} onDone=${() => setEditing(false)} />` : html`<${LongText} text=${one.prompt} />`}
    <div class="buttons">${!editing && html`<button onClick=${() => setEditing(true)}>Edit</button>`}${button("fire", "Send now")}${one.state === "active" ? button("pause", "Pause") : button("resume", "Resume")}${button("delete", "Delete")}</div></li>`;
}

function Form() {
  const empty = { agent: "", prompt: "", cron: "0 9 * * 1-5", once: "", zone: ZONE };
  const [wanted, setWanted] = useState(empty);
  const [error, setError] = useState(null);
  async function add(event) {
    event.preventDefault();
    setError(null);
    try {
      await act("create-schedule", { agent: wanted.agent, ...wish(wanted) });
      setWanted(empty);
    } catch (refused) {
      setError(refused);
    }
  }
  return html`<form class="card schedule" onSubmit=${add} aria-label="new schedule">
    <label>Agent <input required list="agents-there-are" autocomplete="off" value=${wanted.agent} onInput=${(event) => setWanted({ ...wanted, agent: event.target.value })} /></label>
    <datalist id="agents-there-are">${(agents.value ?? []).map((row) => html`<option key=${row.name} value=${row.name} />`)}</datalist>
    <${Fields} wanted=${wanted} setWanted=${setWanted} />
    <${Refusal} error=${error} />
    <div class="buttons"><button class="primary" disabled=${!reachable("approvals")}>Add</button></div></form>`;
}

export function SchedulesPage() {
  const all = [...(schedules.value?.values() ?? [])].sort((a, b) => (a.next_at ?? "~").localeCompare(b.next_at ?? "~") || a.id - b.id);
  return html`<div class="head"><h1>Schedules</h1></div>
    ${schedules.value === null && html`<p class="dim">Waiting for the schedules…</p>`}
    ${schedules.value && all.length === 0 && html`<p class="empty">No agent is sent anything at set times.</p>`}
    <ul class="roster">${all.map((one) => html`<${Row} key=${one.id} one=${one} />`)}</ul>
    <section><h2>New schedule</h2><${Form} /></section>`;
}
