// An agent's events as a transcript: turns with text, folded thinking, folded tool calls, errors.
// Whatever an agent or a tool wrote becomes a text node, never markup.
import { html, signal, useState } from "./vendor/preact.js";
import { absolute, bytes, clock, count, dollars, plain, span } from "./format.js";
import { Icon } from "./icon.js";
import { Steady } from "./steady.js";

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
    this.grouping = new Grouping();
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
    if (inOrder && this.events.length <= MAX_EVENTS) for (const event of fresh) this.grouping.take(event);
    else this.#regroup();
    this.last = Math.max(this.last, place(this.events[this.events.length - 1]));
    this.blocks.value = [...this.grouping.blocks];
    this.#receive(fresh);
  }

  /** Begin anew, with somewhat fewer events than are kept, so that this is rare. */
  #regroup() {
    this.events.sort((a, b) => place(a) - place(b));
    if (this.events.length > MAX_EVENTS) {
      for (const event of this.events.splice(0, this.events.length - MAX_EVENTS * 0.8)) this.known.delete(identity(event));
    }
    this.grouping = new Grouping();
    for (const event of this.events) this.grouping.take(event);
  }

  #receive(events) {
    const receipts = new Map(this.receipts.peek());
    for (const { body } of events) {
      if (body.kind === "turn_started" && !receipts.has(body.message_id)) receipts.set(body.message_id, "delivered");
      if (body.kind === "turn_ended" && body.outcome !== "postponed") receipts.set(body.message_id, "read");
    }
    this.receipts.value = receipts;
  }
}

/** Groups events into blocks. What changes is replaced: an object that is the same looks the same. */
class Grouping {
  constructor() {
    this.blocks = [];
    this.open = -1; // index of the turn that runs
    this.calls = new Map(); // of tools: call id → where its item is
  }

  take(event) {
    const { body } = event;
    if (body.kind === "status") return;
    if (body.kind === "turn_started" || (event.turn && this.blocks[this.open]?.turn !== event.turn)) {
      this.open = this.blocks.push({ key: `t${identity(event)}`, turn: event.turn, at: event.at, start: null, items: [], end: null }) - 1;
    }
    if (body.kind === "turn_started") this.#change(this.open, { start: body });
    else if (body.kind === "turn_ended" && this.open >= 0) {
      this.#change(this.open, { end: body });
      this.open = -1;
    } else if (body.kind === "tool_result" && this.calls.has(body.call_id)) this.#answer(body);
    else this.#append(event);
  }

  #append(event) {
    const { body } = event;
    const item = { key: identity(event), at: event.at, body, result: null };
    if (event.turn && this.open >= 0) {
      const { items } = this.blocks[this.open];
      if (body.kind === "tool_call") this.calls.set(body.call_id, [this.open, items.length]);
      items.push(item);
      this.#change(this.open, {});
    } else this.blocks.push({ key: `e${item.key}`, at: event.at, item });
  }

  #answer(body) {
    const [block, index] = this.calls.get(body.call_id);
    const { items } = this.blocks[block];
    items[index] = { ...items[index], result: body };
    this.#change(block, {});
  }

  #change(index, what) { this.blocks[index] = { ...this.blocks[index], ...what }; }
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

/** `mcp__hive__send` is "hive · send". */
const toolName = (name) => plain(name).replace(/^mcp__(.+?)__/, "$1 · ");

/** A one-line account of a tool's input. */
function summary(input) {
  const telling = ["command", "file_path", "path", "pattern", "query", "url", "to", "description", "prompt", "text", "body"];
  const key = telling.find((one) => typeof input?.[one] === "string");
  const text = plain(key ? input[key] : JSON.stringify(input ?? {})).replace(/\s+/g, " ");
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

const ICONS = { running: "loader", "cut off": "circle-dashed", done: "wrench", failed: "circle-x" };

function ToolCall({ item, live }) {
  const { body, result } = item;
  const state = !result ? (live ? "running" : "cut off") : result.is_error ? "failed" : "done";
  return html`<details class=${`tool ${state === "failed" ? "failed" : ""}`}>
    <summary><${Icon} name=${ICONS[state]} spin=${state === "running"} />
      <b><bdi>${toolName(body.tool)}</bdi></b> <code class="summary"><bdi>${summary(body.input)}</bdi></code>
      ${state !== "done" && html`<span class="dim"> ${state}</span>`}</summary>
    <${LongText} class="mono" text=${JSON.stringify(body.input, null, 2)} />
    ${result && html`<div class="dim label">result${result.is_error ? " (error)" : ""}</div>
      <${LongText} class=${`mono${result.is_error ? " bad" : ""}`} text=${result.text} />
      ${result.omitted_bytes > 0 && html`<div class="dim">${bytes(result.omitted_bytes)} not shown</div>`}`}
  </details>`;
}

class Item extends Steady {
  render({ item, live }) { return itemView(item, live); }
}

function itemView(item, live) {
  const { body } = item;
  switch (body.kind) {
    case "text":
      return html`<${LongText} class="said" text=${body.text} />`;
    case "thinking":
      return html`<details class="thinking"><summary class="dim">thought</summary><${LongText} class="dim" text=${body.text} /></details>`;
    case "tool_call":
      return html`<${ToolCall} item=${item} live=${live} />`;
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
  const bad = end.outcome === "failed" || end.outcome === "interrupted";
  const icon = bad ? "circle-x" : end.outcome === "answered" ? "check" : "clock";
  return html`<footer class=${bad ? "bad" : "dim"}>
    <span><${Icon} name=${icon} /> ${plain(end.outcome)} in ${span((end.duration_s ?? 0) * 1000)}</span>
    ${tokens > 0 && html`<span>${count(tokens)} tokens</span>`}
    ${end.cost_usd > 0 && html`<span>${dollars(end.cost_usd)}</span>`}
    ${end.error && html`<bdi>${plain(end.error)}</bdi>`}</footer>`;
}

class Turn extends Steady {
  render({ block }) { return turnView(block); }
}

function turnView(block) {
  const { start, items, end } = block;
  const from = start ? (start.sender === "operator" && start.by ? `${start.by} (operator)` : start.sender) : "";
  return html`<article class=${end ? "turn" : "turn open"}>
    ${start && html`<header class=${start.sender === "operator" ? "message mine" : "message"}>
      <div class="label"><${Icon} name="mail" /> <b><bdi>${plain(from)}</bdi></b> <${Time} at=${block.at} />
        ${start.sender === "operator" && html`<span class="tag">${!end ? "delivered" : end.outcome === "postponed" ? "waits" : "read"}</span>`}
        ${start.redelivered && html`<span class="tag warn">again, after a cut</span>`}</div>
      <${LongText} text=${start.body} /></header>`}
    <div class="items">${items.map((item) => html`<${Item} key=${item.key} item=${item} live=${!end} />`)}</div>
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
