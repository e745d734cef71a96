// What an operator can change: pause, model and effort, a shorter or a new conversation.
import { html, useState } from "../hiveweb/vendor/preact.js";
import { Dialog } from "../hiveweb/dialog.js";
import { Icon } from "../hiveweb/icon.js";
import { choose, compact, newSession, pause } from "./acts.js";
import { agent, offline, status } from "./store.js";

const MODELS = ["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"];
const EFFORTS = ["low", "medium", "high", "xhigh", "max"];

function NewSession({ onClose }) {
  return html`<${Dialog} title="Begin a new conversation?" onClose=${onClose}>
    <form method="dialog" onSubmit=${(event) => { event.preventDefault(); newSession(); onClose(); }}>
      <p>From its next turn on, ${agent} remembers nothing of this conversation. Its files and notes stay.</p>
      <div class="buttons"><button type="button" onClick=${onClose}>Keep it</button><button class="primary danger" type="submit">Begin a new one</button></div>
    </form></${Dialog}>`;
}

function Model() {
  const now = status.value;
  const [model, setModel] = useState(null);
  const [effort, setEffort] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const choice = {};
    if (model !== null) choice.model = model.trim();
    if (effort !== null) choice.effort = effort;
    if (await choose(choice)) { setModel(null); setEffort(null); }
  };
  const changed = (model !== null && model.trim() !== now?.model) || (effort !== null && effort !== (now?.effort ?? ""));
  return html`<form class="model" onSubmit=${submit}>
    <label>Model <span class="dim">(empty: as in its agent.toml)</span>
      <input name="model" list="models" autocomplete="off" autocapitalize="none" spellcheck=${false} pattern="[A-Za-z0-9][A-Za-z0-9._:\\[\\]\\-]*" title="a model's name, e.g. claude-sonnet-4-5"
        value=${model ?? now?.model ?? ""} onInput=${(event) => setModel(event.target.value)} /></label>
    <datalist id="models">${MODELS.map((one) => html`<option key=${one} value=${one} />`)}</datalist>
    <label>Effort
      <select name="effort" value=${effort ?? now?.effort ?? ""} onChange=${(event) => setEffort(event.target.value)}>
        <option value="">as in its agent.toml</option>${EFFORTS.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select></label>
    <button type="submit" disabled=${!changed || Boolean(offline.value)}>Use from the next turn on</button>
  </form>`;
}

export function ControlsCard() {
  const [asking, setAsking] = useState(false);
  const paused = status.value?.paused;
  const off = Boolean(offline.value) || !status.value;
  return html`<section class="card" aria-labelledby="controls"><h2 id="controls"><${Icon} name="wrench" /> Controls</h2>
    <div class="verbs">
      <button disabled=${off} onClick=${() => pause(!paused)} title=${paused ? "let it take its messages" : "begin no further turn; messages wait"}><${Icon} name=${paused ? "play" : "pause"} /> ${paused ? "Resume" : "Pause"}</button>
      <button disabled=${off} onClick=${compact} title="it saves its notes, then its conversation is made shorter"><${Icon} name="archive" /> Compact now</button>
      <button disabled=${off} onClick=${() => setAsking(true)}><${Icon} name="sparkles" /> New conversation…</button>
    </div>
    <${Model} />
    ${asking && html`<${NewSession} onClose=${() => setAsking(false)} />`}
  </section>`;
}
