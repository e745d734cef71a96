// An agent's state in a word, an icon and a tone; never by colour alone.
import { html } from "../hiveweb/vendor/preact.js";
import { activityOf } from "../hiveweb/activity.js";
import { absolute, now, plain, relative, span } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { troubleOf } from "./store.js";

/** `{word, icon, tone, since}` of a roster row. */
export function stateOf(row) {
  const { harness } = row;
  const since = row.state === "running" ? harness.since ?? row.since : row.since;
  const as = (word, icon, tone = "") => ({ word, icon, tone, since });
  if (row.state === "failed") return as("failed", "circle-x", "bad");
  if (row.state === "stopped") return as(row.wanted === "running" ? "down" : "stopped", "circle-stop", row.wanted === "running" ? "warn" : "");
  if (row.state !== "running") return as(row.state, "loader");
  const trouble = troubleOf(row);
  if (trouble && !harness.needs_login) return as(trouble.kind, "triangle-alert", "bad");
  return { ...activityOf(harness), since };
}

export function StateTag({ row }) {
  const { word, icon, tone } = stateOf(row);
  return html`<span class=${`tag ${tone}`} data-state=${word}><${Icon} name=${icon} spin=${icon === "loader"} />${plain(word)}</span>`;
}

export function Since({ row }) {
  const { since } = stateOf(row);
  return since && html`<time class="dim" datetime=${since} title=${`since ${absolute(since)}`}>${span(now.value - Date.parse(since))}</time>`;
}

/** Plain words of how well the agent is fenced in, and what else is notable. */
export const Marks = ({ row }) => html`
  ${row.manager && html`<span class="tag accent"><${Icon} name="users" />manager</span>`}
  ${row.sandboxed
    ? html`<span class="tag" title="runs with its own directories only"><${Icon} name="shield-check" />sandboxed</span>`
    : html`<span class="tag warn" title="it can read what the user that runs the hive can read"><${Icon} name="shield-alert" />unsandboxed</span>`}
  ${row.harness.paused && stateOf(row).word !== "paused" && html`<span class="tag warn"><${Icon} name="circle-pause" />${row.state === "running" ? "pauses after this turn" : "paused"}</span>`}
  ${row.needs_update && html`<span class="tag"><${Icon} name="refresh-cw" />needs rebuild</span>`}
  ${row.restarts > 0 && html`<span class="tag warn"><${Icon} name="rotate-cw" />${row.restarts} restarts</span>`}`;

/** What it does right now, in its own words. */
export function doing(row) {
  const { harness } = row;
  if (row.state !== "running") return row.note ?? "";
  const trouble = troubleOf(row);
  if (trouble) return trouble.text;
  if (harness.trouble && harness.retry_at) return `goes on ${relative(harness.retry_at)}`;
  return harness.status_text || (harness.current_tool ? `uses ${harness.current_tool}` : "");
}
