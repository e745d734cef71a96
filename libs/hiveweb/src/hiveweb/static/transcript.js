// An agent's events as a transcript: turns with text, folded thinking, folded tool calls, errors.
// Whatever an agent or a tool wrote becomes a text node, never markup.
import { html, signal, useState } from "./vendor/preact.js";
import { absolute, bytes, clock, count, dollars, plain, span } from "./format.js";
import { Icon } from "./icon.js";

const MAX_EVENTS = 5000;
const SHOWN_CHARACTERS = 6000;

const identity = (event) => `${event.seq}@${event.at}`; // an agent that was wiped counts from 1 again
const place = (event) => event.order ?? event.seq;

/**
 * Events in order, each once, grouped as they are shown. `add` may be given what was seen before,
 * and what is earlier. Order is an event's `order` where the source has one, else its `seq`.
 */
export class Transcript {
  constructor() {
    this.events = [];
    this.known = new Set();
    /** The blocks to show: `{key, turn, start, items, end}` for a turn, `{key, item}` for others. */
    this.blocks = signal([]);
    /** What became of messages: id → "delivered" (its turn began) or "read" (it is over). */
    this.receipts = signal(new Map());
    /** The last event's place; resume after it. */
    this.last = 0;
  }

  add(events) {
    const fresh = [];
    for (const event of events) {
      if (this.known.has(identity(event))) continue;
      this.known.add(identity(event));
      fresh.push(event);
    }
    if (!fresh.length) return;
    const inOrder = fresh.every((event, i) => place(event) > (i ? place(fresh[i - 1]) : this.last));
    this.events.push(...fresh);
    if (!inOrder) this.events.sort((a, b) => place(a) - place(b));
    for (const event of this.events.splice(0, Math.max(0, this.events.length - MAX_EVENTS))) this.known.delete(identity(event));
    this.last = Math.max(this.last, place(this.events[this.events.length - 1]));
    this.blocks.value = group(this.events);
    this.#receive(fresh);
  }

  #receive(events) {
    const receipts = new Map(this.receipts.peek());
    for (const { body } of events) {
      if (body.kind === "turn_started" && !receipts.has(body.message_id)) receipts.set(body.message_id, "delivered");
      if (body.kind === "turn_ended") receipts.set(body.message_id, "read");
    }
    this.receipts.value = receipts;
  }
}

/** Group events into blocks; pure, so that the same events always give the same blocks. */
export function group(events) {
  const blocks = [];
  let turn = null;
  const calls = new Map();
  for (const event of events) {
    const { body } = event;
    if (body.kind === "status") continue;
    if (body.kind === "turn_started" || (event.turn && turn?.turn !== event.turn)) {
      turn = { key: `t${identity(event)}`, turn: event.turn, at: event.at, start: null, items: [], end: null };
      blocks.push(turn);
    }
    if (body.kind === "turn_started") turn.start = body;
    else if (body.kind === "turn_ended" && turn) {
      turn.end = body;
      turn = null;
    } else if (body.kind === "tool_result" && calls.has(body.call_id)) calls.get(body.call_id).result = body;
    else {
      const item = { key: identity(event), at: event.at, body, result: null };
      if (body.kind === "tool_call") calls.set(body.call_id, item);
      if (event.turn && turn) turn.items.push(item);
      else blocks.push({ key: `e${identity(event)}`, at: event.at, item });
    }
  }
  return blocks;
}

/** Long text, its tail behind a button, with the direction of its own. */
export function LongText({ text, class: name = "" }) {
  const [whole, setWhole] = useState(false);
  const shown = plain(text);
  const cut = !whole && shown.length > SHOWN_CHARACTERS;
  return html`<div class=${`long-text ${name}`} dir="auto">${cut ? shown.slice(0, SHOWN_CHARACTERS) : shown}${cut && html`…
    <button class="link" onClick=${() => setWhole(true)}>show all (${bytes(shown.length)})</button>`}</div>`;
}

const Time = ({ at }) => html`<time class="dim" datetime=${at} title=${absolute(at)}>${clock(at)}</time>`;

/** A one-line account of a tool's input. */
function summary(input) {
  const telling = ["command", "file_path", "path", "pattern", "query", "url", "to", "description", "prompt"];
  const key = telling.find((one) => typeof input?.[one] === "string");
  const text = plain(key ? input[key] : JSON.stringify(input ?? {})).replace(/\s+/g, " ");
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function ToolCall({ item }) {
  const { body, result } = item;
  const state = !result ? "running" : result.is_error ? "failed" : "done";
  return html`<details class=${`tool ${state}`}>
    <summary><${Icon} name=${state === "failed" ? "circle-x" : state === "done" ? "wrench" : "loader"} spin=${state === "running"} />
      <b><bdi>${plain(body.tool)}</bdi></b> <code class="summary"><bdi>${summary(body.input)}</bdi></code>
      ${state !== "done" && html`<span class="dim"> ${state}</span>`}</summary>
    <${LongText} class="mono" text=${JSON.stringify(body.input, null, 2)} />
    ${result && html`<div class="dim label">result${result.is_error ? " (error)" : ""}</div>
      <${LongText} class=${`mono${result.is_error ? " bad" : ""}`} text=${result.text} />
      ${result.omitted_bytes > 0 && html`<div class="dim">${bytes(result.omitted_bytes)} not shown</div>`}`}
  </details>`;
}

function Item({ item }) {
  const { body } = item;
  switch (body.kind) {
    case "text":
      return html`<${LongText} class="said" text=${body.text} />`;
    case "thinking":
      return html`<details class="thinking"><summary class="dim">thought</summary><${LongText} class="dim" text=${body.text} /></details>`;
    case "tool_call":
      return html`<${ToolCall} item=${item} />`;
    case "tool_result":
      return html`<details class="tool"><summary>result of an earlier call</summary><${LongText} class="mono" text=${body.text} /></details>`;
    case "message_sent":
      return html`<div class="sent"><div class="dim label"><${Icon} name="send" /> to <b><bdi>${plain(body.to)}</bdi></b> <${Time} at=${item.at} /></div>
        <${LongText} text=${body.body} /></div>`;
    case "trouble":
      return html`<div class="notice bad" role="alert"><${Icon} name="triangle-alert" /> <b>${plain(body.code)}</b> <bdi>${plain(body.message)}</bdi>
        ${body.retry_at && html`<span class="dim"> next try ${clock(body.retry_at)}</span>`}</div>`;
    case "started":
      return html`<div class="notice"><${Icon} name="play" /> started${body.resumed ? ", session resumed" : ""} <span class="dim">${plain(body.model)}</span> <${Time} at=${item.at} /></div>`;
    case "stopped":
      return html`<div class="notice"><${Icon} name="square" /> stopped: <bdi>${plain(body.reason)}</bdi> <${Time} at=${item.at} /></div>`;
    default:
      return html`<div class="notice dim">${plain(body.kind)} <${Time} at=${item.at} /></div>`;
  }
}

function Footer({ end }) {
  const tokens = end.input_tokens + end.output_tokens + end.cache_read_tokens + end.cache_write_tokens;
  const bad = end.outcome !== "answered";
  return html`<footer class=${bad ? "bad" : "dim"}>
    <span><${Icon} name=${bad ? "circle-x" : "check"} /> ${plain(end.outcome)} in ${span((end.duration_s ?? 0) * 1000)}</span>
    ${tokens > 0 && html`<span>${count(tokens)} tokens</span>`}
    ${end.cost_usd > 0 && html`<span>${dollars(end.cost_usd)}</span>`}
    ${end.error && html`<bdi>${plain(end.error)}</bdi>`}</footer>`;
}

function Turn({ block }) {
  const { start, items, end } = block;
  const from = start ? (start.sender === "operator" && start.by ? `${start.by} (operator)` : start.sender) : "";
  return html`<article class=${end ? "turn" : "turn open"}>
    ${start && html`<header class=${start.sender === "operator" ? "message mine" : "message"}>
      <div class="label"><${Icon} name="mail" /> <b><bdi>${plain(from)}</bdi></b> <${Time} at=${block.at} />
        ${start.sender === "operator" && html`<span class="tag">${end ? "read" : "delivered"}</span>`}
        ${start.redelivered && html`<span class="tag warn">again, after a cut</span>`}</div>
      <${LongText} text=${start.body} /></header>`}
    <div class="items">${items.map((item) => html`<${Item} key=${item.key} item=${item} />`)}</div>
    ${end ? html`<${Footer} end=${end} />` : html`<footer class="dim"><${Icon} name="loader" spin=${true} /> working</footer>`}
  </article>`;
}

/** The transcript as it stands; the page that embeds it scrolls. */
export const TranscriptView = ({ transcript }) => html`
  <div class="transcript" role="log" aria-live="off" aria-label="transcript">
    ${transcript.blocks.value.map((block) => (block.item
      ? html`<${Item} key=${block.key} item=${block.item} />`
      : html`<${Turn} key=${block.key} block=${block} />`))}
  </div>`;
