// The bar at the top: who it is, how it is, what runs now and for how long, and the way to stop it.
import { html } from "../hiveweb/vendor/preact.js";
import { absolute, now, span } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { Elapsed, summary, toolName } from "../hiveweb/tool-call.js";
import { interrupt } from "./acts.js";
import { activity, agent, attention, dashboard, offline, status, transcript } from "./store.js";

function Running() {
  const item = transcript.running.value;
  if (!item || status.value?.activity !== "working") return null;
  return html`<span class="running"><${Icon} name="wrench" /> <b><bdi>${toolName(item.body.tool)}</bdi></b>
    <code class="summary"><bdi>${summary(item.body.input)}</bdi></code> <span class="dim"><${Elapsed} from=${item.at} /></span></span>`;
}

export function Bar({ panel, onPanel }) {
  const { word, icon, tone } = activity.value;
  const since = status.value?.since;
  return html`<header class="bar">
    ${dashboard && html`<a class="button quiet" href=${dashboard} title="on the dashboard" aria-label=${`${agent} on the dashboard`}><${Icon} name="arrow-left" /></a>`}
    <h1>${agent}</h1>
    <span class=${`tag ${tone}`} data-state=${word} role="status"><${Icon} name=${icon} spin=${icon === "loader"} />${word}</span>
    ${since && html`<time class="dim wide-only" datetime=${since} title=${`since ${absolute(since)}`}>${span(now.value - Date.parse(since))}</time>`}
    ${status.value?.paused && word !== "paused" && html`<span class="tag warn">pauses after this turn</span>`}
    <${Running} />
    <span class="push">
      ${status.value?.activity === "working" && html`<button class="danger" disabled=${Boolean(offline.value)} title="stop the turn that runs" onClick=${interrupt}>
        <${Icon} name="octagon-alert" /> Stop</button>`}
      <button class="narrow-only" aria-expanded=${panel} aria-controls="panel" onClick=${onPanel}>
        <${Icon} name=${panel ? "x" : "list"} /> ${panel ? "Close" : "More"}${!panel && attention.value > 0 && html` <b class="count" aria-label=${`${attention.value} to look at`}>${attention.value}</b>`}</button>
    </span>
  </header>`;
}
