// Schedules: prompts that agents get at set times.
import { html, useState } from "../hiveweb/vendor/preact.js";
import { absolute, plain, relative } from "../hiveweb/format.js";
import { LongText } from "../hiveweb/long-text.js";
import { act, actOrTell } from "./acts.js";
import { Refusal } from "./agents.js";
import { reachable, schedules } from "./store.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

function Row({ one }) {
  const off = !reachable("approvals");
  const button = (verb, words) => html`<button disabled=${off} onClick=${() => actOrTell(`${verb}-schedule`, { id: one.id })}>${words}</button>`;
  return html`<li class="card" data-schedule=${one.id}>
    <div class="label"><a href=${`#/agents/${one.agent}`}><b>${one.agent}</b></a> <code>${plain(one.cron ?? one.once)}</code> <span class="dim">${plain(one.zone)}</span>
      <span class="tag">${plain(one.state)}</span>
      ${one.next_at && html`<time class="dim" datetime=${one.next_at} title=${absolute(one.next_at)}>next ${absolute(one.next_at)}</time>`}
      <span class="dim">sent ${one.fired} times${one.last_at ? `, last ${relative(one.last_at)}` : ""}</span></div>
    <${LongText} text=${one.prompt} />
    <div class="buttons">${button("fire", "Send now")}${one.state === "active" ? button("pause", "Pause") : button("resume", "Resume")}${button("delete", "Delete")}</div></li>`;
}

function Form() {
  const empty = { agent: "", prompt: "", cron: "0 9 * * 1-5", once: "", zone: ZONE };
  const [wanted, setWanted] = useState(empty);
  const [error, setError] = useState(null);
  const field = (name) => ({ value: wanted[name], onInput: (event) => setWanted({ ...wanted, [name]: event.target.value }) });
  async function add(event) {
    event.preventDefault();
    setError(null);
    const { agent, prompt, cron, once, zone } = wanted;
    try {
      await act("create-schedule", { agent, prompt, timing: once ? { once, zone } : { cron, zone } });
      setWanted(empty);
    } catch (refused) {
      setError(refused);
    }
  }
  return html`<form class="card" onSubmit=${add} aria-label="new schedule">
    <label>Agent <input required ...${field("agent")} /></label>
    <label>Minute, hour, day, month, weekday <input ...${field("cron")} /></label>
    <label>Or once, at <input type="datetime-local" ...${field("once")} /></label>
    <label>Time zone <input ...${field("zone")} /></label>
    <label>Prompt <textarea required maxlength="20000" ...${field("prompt")}></textarea></label>
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
