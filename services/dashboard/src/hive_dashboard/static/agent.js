// One agent: its state and verbs, its live transcript, and a box to write to it.
import { html, useEffect, useState } from "../hiveweb/vendor/preact.js";
import { useFollow } from "../hiveweb/follow.js";
import { dollars, plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { LoginPanel } from "../hiveweb/login-panel.js";
import { OutgoingMessages } from "../hiveweb/outbox.js";
import { SendBox } from "../hiveweb/send-box.js";
import { TranscriptView } from "../hiveweb/transcript-view.js";
import { UsagePanel } from "../hiveweb/usage-panel.js";
import { actOrTell, interrupt, logIn, openPage, outboxOf, usageOf } from "./acts.js";
import { DestroyDialog, Verb } from "./agents.js";
import { ForgeWork } from "./forge.js";
import { History } from "./history.js";
import { JobLine } from "./notices.js";
import { Marks, Since, StateTag, doing } from "./state.js";
import { feed, followTranscript, jobs, reachable, roster, transcriptOf, troubleOf } from "./store.js";

const MOST_EVENTS = 5000; // as many as a transcript keeps

/** What must be in reach wherever one has scrolled to. */
function Brakes({ row }) {
  const { name, harness } = row;
  return html`<div class="brakes">
    ${harness.activity === "working" && html`<button class="danger" title="stop the turn that runs" aria-label="Interrupt" disabled=${feed.stale.value} onClick=${() => interrupt(name)}>
      <${Icon} name="octagon-alert" /><span class="wide-only">Interrupt</span></button>`}
    ${harness.paused ? html`<${Verb} verb="resume" name=${name} icon="play" title="Resume" compact=${true} />` : html`<${Verb} verb="pause" name=${name} icon="pause" title="Pause" compact=${true} />`}
  </div>`;
}

function Verbs({ row }) {
  const [destroying, setDestroying] = useState(false);
  const { name, state } = row;
  const up = state === "running" || state === "starting";
  return html`<div class="verbs">
    ${up ? html`<${Verb} verb="stop" name=${name} icon="square" title="Stop" />` : html`<${Verb} verb="start" name=${name} icon="play" title="Start" tone="primary" />`}
    <${Verb} verb="restart" name=${name} icon="rotate-cw" title="Restart" />
    <${Verb} verb="rebuild" name=${name} icon="hammer" title="Rebuild" />
    <button disabled=${feed.stale.value || state !== "running"} onClick=${() => openPage(name)}><${Icon} name="external-link" /> Own page</button>
    <button class="danger" disabled=${!reachable("lifecycle")} onClick=${() => setDestroying(true)}><${Icon} name="trash-2" /> Destroy…</button>
    ${destroying && html`<${DestroyDialog} name=${name} onClose=${() => setDestroying(false)} />`}
  </div>`;
}

function Facts({ row }) {
  const { harness } = row;
  const facts = [
    ["model", harness.model],
    ["context", harness.context_used == null ? "" : `${Math.round(harness.context_used * 100)} %`],
    ["cost today", harness.cost_today_usd ? dollars(harness.cost_today_usd) : ""],
    ["unread", harness.unread ? String(harness.unread) : ""],
    ["port", String(row.port)], ["runtime", row.runtime], ["pid", row.pid ? String(row.pid) : ""],
    ["retries", harness.retry_at ? relative(harness.retry_at) : ""],
  ].filter(([, value]) => value);
  return html`<dl class="facts inline">${facts.map(([key, value]) => html`<div key=${key}><dt>${key}</dt><dd><bdi>${plain(value)}</bdi></dd></div>`)}</dl>`;
}

function Body({ name, row }) {
  const [one] = useState(() => transcriptOf(name));
  const [history, setHistory] = useState(one.history);
  useEffect(() => followTranscript(one), [history]);
  const blocks = one.model.blocks.value;
  const outbox = outboxOf(name);
  const receipts = one.model.receipts.value;
  useEffect(() => outbox.clear(receipts), [receipts]);
  const more = blocks.length > 0 && one.model.events.length >= history && history < MOST_EVENTS;
  const earlier = () => {
    if (!more || feed.stale.value) return;
    Object.assign(one, { history: Math.min(history * 4, MOST_EVENTS), cursor: 0 });
    setHistory(one.history);
  };
  const { shown, atEnd, toEnd } = useFollow(blocks, () => document.scrollingElement, earlier);
  const stopped = row && row.state !== "running";
  const placeholder = stopped ? `${name} does not run: the message will wait` : `Message to ${name}${matchMedia("(pointer: coarse), (max-width: 719px)").matches ? "" : " (Ctrl+Enter sends)"}`;
  return html`
    ${one.error.value && html`<div class="error">${one.error.value.message}</div>`}
    ${more && html`<button class="earlier" onClick=${earlier}>Show earlier</button>`}
    ${!one.loaded.value && blocks.length === 0 && html`<p class="dim">Reading the transcript…</p>`}
    ${one.loaded.value && blocks.length === 0 && outbox.messages.value.length === 0 && html`<p class="empty">Nothing has happened yet. Write to ${name} below, or with <code>hive send ${name} …</code></p>`}
    <${TranscriptView} blocks=${shown}><${OutgoingMessages} outbox=${outbox} receipts=${receipts} /></${TranscriptView}>
    <div class="dock">
      ${!atEnd && html`<button class="to-end" onClick=${toEnd}><${Icon} name="arrow-down" /> Latest</button>`}
      <${SendBox} name=${name} placeholder=${placeholder} off=${feed.stale.value ? "no connection to the dashboard" : ""}
        send=${(text) => { outbox.send(text); toEnd(); }} /></div>`;
}

export function AgentPage({ name }) {
  const row = roster.value?.get(name);
  const recent = [...(jobs.value?.values() ?? [])].filter((job) => job.agent === name).sort((a, b) => b.created_at.localeCompare(a.created_at));
  const trouble = row && troubleOf(row);
  return html`<section class="agent">
    <div class="head"><h1><a href="#/agents" aria-label="all agents"><${Icon} name="arrow-left" /></a> ${plain(name)}</h1>
      ${row && html`<${StateTag} row=${row} /> <${Since} row=${row} /><${Brakes} row=${row} />`}</div>
    ${row && html`<div class="marks"><${Marks} row=${row} /></div>
      ${doing(row) && !trouble && html`<p class="dim" dir="auto">${plain(doing(row))}</p>`}
      ${trouble && html`<div class="error" role="alert"><b>${plain(trouble.kind)}</b> <bdi>${plain(trouble.text)}</bdi></div>`}
      ${row.state === "running" && html`<${LoginPanel} agent=${name} needed=${row.harness.needs_login} ask=${(verb, body) => logIn(name, verb, body)} />
        <${UsagePanel} spent=${row.harness.cost_today_usd ?? 0} ask=${() => usageOf(name)} setCap=${(cap) => actOrTell("cap", { agent: name, cap })} />`}
      <${Facts} row=${row} /><${Verbs} row=${row} /><${ForgeWork} name=${name} /><${History} key=${name} name=${name} />`}
    ${roster.value && !row && html`<p class="error">There is no agent ${plain(name)} (any more). Its transcript is kept for a while.</p>`}
    ${recent.length > 0 && html`<details class="jobs"><summary>Jobs: ${plain(recent[0].verb)} ${plain(recent[0].state)}</summary>${recent.slice(0, 8).map((job) => html`<${JobLine} key=${job.id} job=${job} />`)}</details>`}
    <${Body} name=${name} row=${row} />
  </section>`;
}
