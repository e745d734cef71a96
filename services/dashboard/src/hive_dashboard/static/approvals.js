// Approvals: what waits for a decision, and what was decided. Nothing is shown as done before it is.
import { html, useEffect, useState } from "../hiveweb/vendor/preact.js";
import { absolute, plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { LongText } from "../hiveweb/long-text.js";
import { act } from "./acts.js";
import { Changes } from "./changes.js";
import { Refusal } from "./agents.js";
import { JobLine } from "./notices.js";
import { approvals, jobs, pending, reachable } from "./store.js";

const TONES = { pending: "accent", approved: "accent", executing: "accent", done: "good", denied: "bad", failed: "bad", cancelled: "" };
const ICONS = { pending: "circle-dot", approved: "loader", executing: "loader", done: "circle-check", denied: "ban", failed: "circle-x", cancelled: "circle-x" };
const TITLES = { spawn: "Spawn", destroy: "Destroy", apply: "Change", rollback: "Roll back", schedule: "Schedule a prompt for", update: "Newer inputs for" };

const title = (one) => `${TITLES[one.kind] ?? plain(one.kind)} ${one.agent === "all" ? "all agents" : one.agent}`;
const who = (text) => { const [kind, name] = String(text ?? "").split(":"); return name ? `${name} (${kind})` : kind; };

function Settings({ settings }) {
  if (!settings) return null;
  const { persona, model, recipients, ...rest } = settings;
  return html`<dl class="facts">
    <div><dt>model</dt><dd><bdi>${plain(model || "the default")}</bdi></dd></div>
    <div><dt>may write to</dt><dd>${recipients ? recipients.map(plain).join(", ") || "operators only" : "everybody"}</dd></div>
    ${Object.entries(rest).map(([key, value]) => html`<div><dt>${plain(key)}</dt><dd><bdi>${plain(JSON.stringify(value))}</bdi></dd></div>`)}
    ${persona && html`<div class="wide"><dt>persona</dt><dd><${LongText} text=${persona} /></dd></div>`}</dl>`;
}

/** What a new agent's first commit is made of. */
function Files({ files }) {
  return Object.entries(files ?? {}).map(([name, text]) => html`<details class="file" open key=${name} data-file=${plain(name)}>
    <summary><code><bdi>${plain(name)}</bdi></code> <span class="dim">in its first commit</span></summary>
    <pre class="hunk">${text.replace(/\n$/, "").split("\n").map((line) => html`<span class="line added">+${plain(line)}</span>`)}</pre></details>`);
}

/** The flake inputs that newer ones are asked for, as they are locked now. */
function Inputs({ inputs }) {
  if (!inputs) return null;
  return html`<dl class="facts">${inputs.map((one) => html`<div class="wide" key=${one.name}><dt>${plain(one.name)}</dt>
    <dd><bdi>${plain(one.source)}</bdi>, now <code>${plain(one.revision.replace(/^sha256-/, "").slice(0, 10) || "not locked")}</code>${one.at && html` of <time datetime=${one.at}>${absolute(one.at)}</time>`}</dd></div>`)}</dl>
    <p class="dim">The newest there are then: every agent is built with them first, and if one cannot be, nothing changes.</p>`;
}

/** What is being done about an approval, step by step, and the log of what was done. */
function Progress({ approval }) {
  const [log, setLog] = useState(null);
  const [error, setError] = useState(null);
  const job = [...(jobs.value?.values() ?? [])].find((one) => one.approval === approval.id);
  const running = approval.state === "approved" || approval.state === "executing";
  async function read() {
    setError(null);
    try {
      setLog((await act("approval-log", { id: approval.id })).text);
    } catch (refused) {
      setError(refused);
    }
  }
  return html`${running && job && html`<${JobLine} job=${job} />`}
    ${approval.job && log === null && html`<div><button class="quiet" onClick=${read}><${Icon} name="scroll-text" /> Show the log</button></div>`}
    <${Refusal} error=${error} />
    ${log !== null && html`<div class="log-of" aria-label=${`log of approval ${approval.id}`}><pre class="hunk">${plain(log) || "Nothing was said."}</pre>
      <div><button onClick=${running ? read : () => setLog(null)}>${running ? "Read it again" : "Hide the log"}</button></div></div>`}`;
}

function Risks({ approval }) {
  const { settings, kind, agent, requested_by: by } = approval;
  return html`${by.startsWith("agent:") && html`<span class="tag warn"><${Icon} name="user" />asked for by an agent</span>`}
    ${kind === "destroy" && html`<span class="tag bad"><${Icon} name="trash-2" />removes ${agent}</span>`}
    ${kind === "spawn" && settings?.recipients === null && html`<span class="tag"><${Icon} name="users" />may write to everybody</span>`}`;
}

export function ApprovalCard({ approval }) {
  const [doing, setDoing] = useState("");
  const [error, setError] = useState(null);
  const [denying, setDenying] = useState(false);
  const [reason, setReason] = useState("");
  const [shown, setShown] = useState(null);
  const [version, setVersion] = useState(0);
  const change = approval.kind === "apply";
  const digest = change ? shown : approval.digest;
  const off = Boolean(doing) || !reachable("approvals");
  async function decide(verb, body) {
    setDoing(verb);
    setError(null);
    try {
      await act(verb, { id: approval.id, ...body });
    } catch (refused) {
      setError(refused);
      if (change && refused.code === "changed") setVersion(version + 1);
    }
    setDoing("");
  }
  return html`<article class="card approval" data-approval=${approval.id} aria-label=${`approval ${approval.id}`}>
    <div class="head"><h3>${title(approval)}</h3><span class="dim">#${approval.id}</span></div>
    <div class="label"><span class="dim">asked for by</span> <b><bdi>${plain(who(approval.requested_by))}</bdi></b>
      <time class="dim" datetime=${approval.requested_at} title=${absolute(approval.requested_at)}>${relative(approval.requested_at)}</time>
      <${Risks} approval=${approval} /></div>
    ${approval.reason ? html`<blockquote><${LongText} text=${approval.reason} /></blockquote>` : html`<p class="dim">No reason was given.</p>`}
    <${Settings} settings=${approval.settings} />
    <${Files} files=${approval.files} />
    <${Inputs} inputs=${approval.inputs} />
    ${change && html`<${Changes} approval=${approval} version=${version} onShown=${setShown} />`}
    ${approval.schedule && html`<p><code>${plain(approval.schedule.timing.cron ?? approval.schedule.timing.once)}</code> ${plain(approval.schedule.timing.zone)}</p><blockquote><${LongText} text=${approval.schedule.prompt} /></blockquote>`}
    ${digest && html`<div class="dim digest">digest <code title=${digest}>${digest.slice(0, 16)}</code>: the approval holds for exactly this</div>`}
    <${Refusal} error=${error} />
    ${error?.code === "changed" && html`<p class="warn">It was changed while you read: look again before you decide.</p>`}
    ${denying
    ? html`<form onSubmit=${(event) => { event.preventDefault(); decide("deny", { reason }); }}>
        <label>Why not? <span class="dim">the requester gets to read it</span>
          <textarea value=${reason} maxlength="2000" autofocus onInput=${(event) => setReason(event.target.value)}></textarea></label>
        <div class="buttons"><button type="button" onClick=${() => setDenying(false)}>Back</button>
          <button class="danger primary" disabled=${off}><${Icon} name="ban" /> ${doing === "deny" ? "Denying…" : "Deny"}</button></div></form>`
    : html`<div class="buttons"><button class="danger" disabled=${off} onClick=${() => setDenying(true)}><${Icon} name="ban" /> Deny…</button>
        <button class="primary" disabled=${off || !digest} onClick=${() => decide("approve", { digest })}><${Icon} name="check" /> ${doing === "approve" ? "Approving…" : "Approve"}</button></div>`}
  </article>`;
}

function Decided({ approval }) {
  const at = approval.decided_at ?? approval.ended_at ?? approval.requested_at;
  return html`<li class="card decided" data-approval=${approval.id}>
    <div class="label"><span class=${`tag ${TONES[approval.state] ?? ""}`}><${Icon} name=${ICONS[approval.state] ?? "circle-dot"} />${plain(approval.state)}</span>
      <b>${title(approval)}</b> <span class="dim">#${approval.id}</span>
      <time class="dim" datetime=${at} title=${absolute(at)}>${relative(at)}</time></div>
    <div class="dim">asked for by <bdi>${plain(who(approval.requested_by))}</bdi>${approval.decided_by && html`, decided by <bdi>${plain(who(approval.decided_by))}</bdi>`}</div>
    ${approval.decision_reason && html`<${LongText} text=${approval.decision_reason} />`}
    ${approval.note && html`<${LongText} class=${approval.state === "failed" ? "bad" : "dim"} text=${approval.note} />`}
    ${approval.reason && html`<details><summary class="dim">what was asked for</summary><blockquote><${LongText} text=${approval.reason} /></blockquote>
      <${Settings} settings=${approval.settings} /><${Inputs} inputs=${approval.inputs} />
      ${approval.commit && html`<p><code>${approval.commit.slice(0, 10)}</code> <bdi>${plain(approval.commit_subject)}</bdi></p>`}</details>`}
    <${Progress} approval=${approval} /></li>`;
}

export function ApprovalsPage({ number }) {
  const known = approvals.value !== null;
  useEffect(() => { if (number) document.querySelector(`[data-approval="${CSS.escape(number)}"]`)?.scrollIntoView({ block: "center" }); }, [number, known]);
  const decided = [...(approvals.value?.values() ?? [])].filter((one) => one.state !== "pending").sort((a, b) => b.id - a.id);
  return html`<div class="head"><h1>Approvals</h1></div>
    ${approvals.value === null && html`<p class="dim">Waiting for the approvals…</p>`}
    ${approvals.value && pending.value.length === 0 && html`<p class="empty">Nothing is pending. Agents ask here for what they may not do alone.</p>`}
    ${pending.value.map((one) => html`<${ApprovalCard} key=${one.id} approval=${one} />`)}
    ${decided.length > 0 && html`<section aria-label="decided"><h2>Decided</h2>
      <ul class="roster">${decided.map((one) => html`<${Decided} key=${one.id} approval=${one} />`)}</ul></section>`}`;
}
