// Beside the transcript: how the agent is, what waits, what can be changed.
import { html } from "../hiveweb/vendor/preact.js";
import { logOut } from "../hiveweb/auth.js";
import { absolute, clock, dollars, plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { LoginPanel } from "../hiveweb/login-panel.js";
import { UsagePanel } from "../hiveweb/usage-panel.js";
import { logIn, retry, usage } from "./acts.js";
import { ControlsCard } from "./controls.js";
import { InboxCard } from "./inbox.js";
import { showKeys } from "./keys.js";
import { OpenCard } from "./open-items.js";
import { agent, offline, status } from "./store.js";

const FULL = 0.75; // from here on the context is soon made shorter

export function Trouble() {
  const { trouble, trouble_text: text, retry_at: at, needs_login: login } = status.value ?? {};
  if (!trouble) return null;
  return html`<div class="error trouble" role="alert"><b>${plain(trouble).replaceAll("_", " ")}</b>
    <div class="hint"><bdi>${plain(text)}</bdi></div>
    ${at && html`<div class="hint">It tries again by itself <time datetime=${at} title=${absolute(at)}>${relative(at)}</time>, at ${clock(at)}.</div>`}
    ${!login && html`<button disabled=${Boolean(offline.value)} onClick=${retry}><${Icon} name="refresh-cw" /> Try now</button>`}</div>`;
}

function Context({ used }) {
  const share = Math.round((used ?? 0) * 100);
  return html`<div class="gauge"><div class="label"><${Icon} name="gauge" /> Context <b>${used == null ? "—" : `${share} %`}</b></div>
    <meter min="0" max="100" high=${FULL * 100} value=${share} aria-label="context in use">${share} %</meter></div>`;
}

function Now() {
  const now = status.value ?? {};
  const facts = [["model", now.model], ["effort", now.effort], ["turn", now.turn ? String(now.turn) : ""], ["conversation", now.session_id?.slice(0, 8)]].filter(([, value]) => value);
  return html`<section class="card" aria-labelledby="now"><h2 id="now"><${Icon} name="bot" /> Now</h2>
    ${now.status_text && html`<p><span class="dim">It says:</span> <bdi>${plain(now.status_text)}</bdi></p>`}
    <div class="gauges"><${Context} used=${now.context_used} />
      <div class="gauge"><div class="label"><${Icon} name="coins" /> Cost today <b>${dollars(now.cost_today_usd ?? 0)}</b></div></div></div>
    <dl class="facts inline">${facts.map(([key, value]) => html`<div key=${key}><dt>${key}</dt><dd><bdi>${plain(value)}</bdi></dd></div>`)}</dl>
  </section>`;
}

export const Panel = () => html`<section id="panel" class="panel" aria-label=${`about ${agent}`} tabindex="-1">
  <${Trouble} />
  <${LoginPanel} agent=${agent} needed=${Boolean(status.value?.needs_login)} ask=${logIn} />
  <${Now} />
  <${UsagePanel} spent=${status.value?.cost_today_usd ?? 0} ask=${usage} />
  <${InboxCard} />
  <${OpenCard} />
  <${ControlsCard} />
  <div class="verbs"><button class="quiet" onClick=${showKeys}><${Icon} name="keyboard" /> Keys</button>
    <button class="quiet" title="log out of this browser" onClick=${logOut}><${Icon} name="log-out" /> Log out</button></div>
</section>`;
