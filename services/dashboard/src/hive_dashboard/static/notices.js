// What happens beside the page: jobs that run, results for a moment, failures until they are dismissed.
import { html, signal } from "../hiveweb/vendor/preact.js";
import { now, plain, relative, span } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { dismiss, toasts } from "./acts.js";
import { SpawnDialog } from "./agents.js";
import { failures, forgetFailure, jobs } from "./store.js";

const SHOW_ENDED_MS = 6000;
const ENDED = new Set(["done", "failed", "cancelled"]);
const loadedAt = Date.now();
const place = signal(location.hash);
addEventListener("hashchange", () => { place.value = location.hash; });

export function JobLine({ job, brief = false }) {
  const running = !ENDED.has(job.state);
  const last = job.steps?.[job.steps.length - 1]?.text;
  const took = job.started_at && job.ended_at ? ` in ${span(Date.parse(job.ended_at) - Date.parse(job.started_at))}` : "";
  return html`<div class=${`job ${job.state}`} data-job=${job.id}>
    <div class="label"><${Icon} name=${running ? "loader" : job.state === "done" ? "circle-check" : "circle-x"} spin=${running} />
      <b>${plain(job.verb)} ${plain(job.agent)}</b> ${plain(job.state)}${took} ${!brief && html`<span class="dim">${relative(job.created_at)}, by ${plain(job.requested_by.replace(/^(\w+):(.*)$/, "$2"))}</span>`}</div>
    ${job.error ? html`<div class="bad"><bdi>${plain(job.error.message)}</bdi>${job.error.hint && html` <span class="dim"><bdi>${plain(job.error.hint)}</bdi></span>`}</div>` : running && last && html`<div class="dim"><bdi>${plain(last)}</bdi></div>`}
  </div>`;
}

function worthShowing(job) {
  if (!ENDED.has(job.state)) return false; // the top bar has it
  const ended = Date.parse(job.ended_at ?? job.created_at);
  if (ended < loadedAt) return false;
  // The first page has failures in their place, and nothing shall lie over their buttons.
  if (job.state === "failed") return failures.value.includes(job) && !/^#?\/?$/.test(place.value);
  return now.value - ended < SHOW_ENDED_MS;
}

/** What runs now, in the top bar. */
export function RunningJobs() {
  const running = [...(jobs.value?.values() ?? [])].filter((job) => !ENDED.has(job.state)).sort((a, b) => a.created_at.localeCompare(b.created_at));
  if (!running.length) return null;
  const [job, ...others] = running;
  const step = job.steps?.[job.steps.length - 1]?.text ?? job.state;
  return html`<a class="tag accent now-running" role="status" data-job=${job.id} href=${`#/agents/${job.agent}`} title=${plain(step)}>
    <${Icon} name="loader" spin=${true} />${plain(job.verb)} ${plain(job.agent)}${others.length > 0 && html` <b>+${others.length}</b>`}</a>`;
}

export function Notices() {
  const shown = [...(jobs.value?.values() ?? [])].filter(worthShowing).sort((a, b) => a.created_at.localeCompare(b.created_at)).slice(-4);
  return html`<${SpawnDialog} /><div class="notices" aria-live="polite">
    ${shown.map((job) => html`<div key=${job.id} class="toast"><${JobLine} job=${job} brief=${true} />
      ${job.state === "failed" && html`<button class="quiet" aria-label="dismiss" onClick=${() => forgetFailure(job.id)}><${Icon} name="x" /></button>`}</div>`)}
    ${toasts.value.map((one) => html`<div key=${`t${one.id}`} class=${one.bad ? "toast bad" : "toast"} role=${one.bad ? "alert" : null}>
      <div><bdi>${plain(one.text)}</bdi>${one.hint && html`<div class="dim"><bdi>${plain(one.hint)}</bdi></div>`}</div>
      <button class="quiet" aria-label="dismiss" onClick=${() => dismiss(one.id)}><${Icon} name="x" /></button></div>`)}
  </div>`;
}
