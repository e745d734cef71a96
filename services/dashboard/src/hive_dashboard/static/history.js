// What an agent's configuration was, and the way back to it: an operator's own act, on record.
import { html, useEffect, useState } from "../hiveweb/vendor/preact.js";
import { absolute, plain } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { act, toast } from "./acts.js";
import { Refusal } from "./agents.js";
import { jobs, reachable } from "./store.js";

function Revision({ name, one, onDone }) {
  const [doing, setDoing] = useState(false);
  const [error, setError] = useState(null);
  const wasDeployed = one.stages.includes("deployed");
  async function back() {
    setError(null);
    setDoing(true);
    try {
      await act("rollback", { agent: name, to: one.approval });
      toast(`${name}: going back to ${one.commit.slice(0, 10)}`);
      onDone();
    } catch (refused) {
      setError(refused);
    }
    setDoing(false);
  }
  return html`<li class="card" data-revision=${one.approval}>
    <div class="label">${one.approval > 0 ? html`<a href="#/approvals">#${one.approval}</a>` : html`<span>as spawned</span>`} <code>${one.commit.slice(0, 10)}</code> <bdi>${plain(one.subject)}</bdi>
      ${one.running ? html`<span class="tag good"><${Icon} name="circle-check" />runs</span>` : html`<span class="tag">${plain(one.stages.at(-1))}</span>`}
      <time class="dim" datetime=${one.at} title=${absolute(one.at)}>${absolute(one.at)}</time></div>
    <${Refusal} error=${error} />
    ${wasDeployed && !one.running && html`<div class="buttons"><button disabled=${doing || !reachable("lifecycle")} onClick=${back}><${Icon} name="rotate-cw" /> ${doing ? "Rolling back…" : "Roll back to this"}</button></div>`}</li>`;
}

/** Loaded when it is opened: most looks at an agent are not about its past. */
export function History({ name }) {
  const [open, setOpen] = useState(false);
  const [revisions, setRevisions] = useState(null);
  const [error, setError] = useState(null);
  async function load() {
    setError(null);
    try {
      setRevisions((await act("history", { agent: name })).revisions);
    } catch (refused) {
      setError(refused);
    }
  }
  // What was done to the agent since may have changed what it runs.
  const ended = [...(jobs.value?.values() ?? [])].filter((job) => job.agent === name && job.ended_at).length;
  useEffect(() => { if (open) load(); }, [open, ended]);
  return html`<details class="jobs history" onToggle=${(event) => setOpen(event.target.open)}><summary>Configuration: history and roll back</summary>
    <${Refusal} error=${error} />
    ${revisions === null && !error && html`<p class="dim">Reading the history…</p>`}
    <ul class="roster">${(revisions ?? []).map((one) => html`<${Revision} key=${one.approval} name=${name} one=${one} onDone=${load} />`)}</ul></details>`;
}
