// What waits for a turn, and what was set aside because no turn came to its end with it.
import { html } from "../hiveweb/vendor/preact.js";
import { absolute, plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { resend } from "./acts.js";
import { offline, openItems, status } from "./store.js";

const sender = (one) => (one.sender === "operator" && one.by ? `${one.by} (operator)` : one.sender);
const When = ({ at }) => html`<time class="dim" datetime=${at} title=${absolute(at)}>${relative(at)}</time>`;

function Waiting({ one }) {
  return html`<li data-message=${one.id}><div class="label"><b><bdi>${plain(sender(one))}</bdi></b> <${When} at=${one.sent_at} />
      ${one.attempts > 0 && html`<span class="tag warn">was cut off ${one.attempts === 1 ? "once" : `${one.attempts} times`}</span>`}</div>
    <bdi class="first-line">${plain(one.first_line)}</bdi></li>`;
}

function Parked({ one }) {
  return html`<li class="parked" data-parked=${one.number}><div class="label"><b><bdi>${plain(sender(one))}</bdi></b> <${When} at=${one.sent_at} /></div>
    <bdi class="first-line">${plain(one.first_line)}</bdi>
    <div class="bad"><bdi>${plain(one.reason)}</bdi></div>
    <button disabled=${Boolean(offline.value)} onClick=${() => resend(one.number)}><${Icon} name="rotate-cw" /> Send again</button></li>`;
}

export function InboxCard() {
  const items = openItems.value;
  const waiting = items?.waiting ?? [];
  const parked = items?.parked ?? [];
  const unread = items?.unread ?? status.value?.unread ?? 0;
  return html`<section class="card" aria-labelledby="inbox"><h2 id="inbox"><${Icon} name="inbox" /> Inbox ${unread > 0 && html`<span class="tag accent">${unread} waiting</span>`}</h2>
    ${parked.length > 0 && html`<h3 class="bad">Set aside</h3><ul class="items">${parked.map((one) => html`<${Parked} key=${one.number} one=${one} />`)}</ul>`}
    ${waiting.length > 0 && html`<ul class="items">${waiting.map((one) => html`<${Waiting} key=${one.id} one=${one} />`)}</ul>`}
    ${unread > waiting.length && waiting.length > 0 && html`<p class="dim">and ${unread - waiting.length} more</p>`}
    ${items && !waiting.length && !parked.length && html`<p class="dim">No message waits.</p>`}
    ${!items && html`<p class="dim">Looking…</p>`}
  </section>`;
}
