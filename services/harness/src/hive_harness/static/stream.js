// The transcript, from its end backwards, with what waits to be read and the box to write below it.
import { html, useEffect, useRef } from "../hiveweb/vendor/preact.js";
import { useFollow } from "../hiveweb/follow.js";
import { Icon } from "../hiveweb/icon.js";
import { OutgoingMessages } from "../hiveweb/outbox.js";
import { SendBox } from "../hiveweb/send-box.js";
import { DraftView, TranscriptView } from "../hiveweb/transcript-view.js";
import { Notice } from "./acts.js";
import { bindStream } from "./keys.js";
import { agent, draft, more, offline, oldest, outbox, readBack, readingBack, status, transcript } from "./store.js";

const KEYBOARD = matchMedia("(hover: hover)").matches;

function Start() {
  const blocks = transcript.blocks.value;
  if (more.value) return html`<p class="dim start"><button class="link" onClick=${readBack} disabled=${readingBack.value}>${readingBack.value ? "Reading back…" : "Show earlier"}</button></p>`;
  if (oldest.value === null) return html`<p class="dim start"><${Icon} name="loader" spin=${true} /> Reading what happened…</p>`;
  if (blocks.length) return html`<p class="dim start">Nothing older is kept.</p>`;
  if (outbox.messages.value.length) return null;
  return html`<div class="empty"><h2>Nothing has happened yet</h2>
    ${status.value?.needs_login ? html`<p>${agent} has no login at Claude: log it in under <b>Login at Claude</b>, then write to it.</p>`
      : html`<p>Write to ${agent} below, or with <code>hive send ${agent} "hello"</code>.</p>`}</div>`;
}

export function Stream() {
  const box = useRef(null);
  const follow = useFollow(transcript.blocks.value, () => box.current, readBack);
  const latest = useRef(follow);
  latest.current = follow;
  useEffect(() => bindStream(() => latest.current), []);
  const receipts = transcript.receipts.value;
  useEffect(() => outbox.clear(receipts), [receipts]);
  const placeholder = status.value?.paused ? `${agent} is paused: messages wait` : KEYBOARD ? `Message to ${agent} (Ctrl+Enter sends)` : `Message to ${agent}`;
  return html`<div class="stream">
    <div class="scroll" ref=${box} tabindex="0" role="region" aria-label="what happened">
      <${Start} />
      <${TranscriptView} blocks=${follow.shown}><${DraftView} draft=${draft.value} /><${OutgoingMessages} outbox=${outbox} receipts=${receipts} /></${TranscriptView}>
    </div>
    <div class="dock">
      ${!follow.atEnd && html`<button class="to-end" onClick=${follow.toEnd}><${Icon} name="arrow-down" /> Latest</button>`}
      <${Notice} />
      <${SendBox} name=${agent} placeholder=${placeholder} off=${offline.value} send=${(text) => { outbox.send(text); follow.toEnd(); }} />
    </div>
  </div>`;
}
