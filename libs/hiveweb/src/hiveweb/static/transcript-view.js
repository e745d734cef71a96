// A transcript as it is shown: turns with text, folded thinking, folded tool calls, errors.
// Whatever an agent or a tool wrote becomes a text node, never markup.
import { html, useState } from "./vendor/preact.js";
import { absolute, clock, count, dollars, plain, span } from "./format.js";
import { Icon } from "./icon.js";
import { LongText } from "./long-text.js";
import { inMarkdown } from "./markdown.js";
import { Steady } from "./steady.js";
import { Elapsed, ToolCall } from "./tool-call.js";

const SHOWN_ITEMS = 150; // of one turn; earlier ones are behind a button
const OWN = { save_notes: "saves its notes, on its own", compact: "makes its conversation shorter, on its own" };

const Time = ({ at }) => html`<time class="dim" datetime=${at} title=${absolute(at)}>${clock(at)}</time>`;

/** Who wrote: the name that the bus vouches for, and the human behind "operator", who is only told. */
const Sender = ({ body }) => html`<b><bdi>${plain(body.sender === "operator" && body.by ? `${body.by} (operator)` : body.sender)}</bdi></b>`;

function Message({ body, at, children }) {
  return html`<header class=${body.sender === "operator" ? "message mine" : "message"}>
    <div class="label"><${Icon} name="mail" /> <${Sender} body=${body} /> <${Time} at=${at} />
      ${body.redelivered && html`<span class="tag warn">again, after a cut</span>`}${children}</div>
    <${LongText} text=${body.body} /></header>`;
}

class Item extends Steady {
  render({ item, live }) { return itemView(item, live); }
}

function itemView(item, live) {
  const { body } = item;
  switch (body.kind) {
    case "text":
      return html`<${LongText} class="said" draw=${inMarkdown} text=${body.text} />`;
    case "thinking":
      return html`<details class="thinking"><summary class="dim"><${Icon} name="brain" /> thought</summary><${LongText} class="dim" text=${body.text} /></details>`;
    case "tool_call":
      return html`<${ToolCall} item=${item} live=${live} />`;
    case "tool_result":
      return html`<details class="tool"><summary>result of an earlier call</summary><${LongText} class="mono" text=${body.text} /></details>`;
    case "message_taken":
      return html`<${Message} body=${body} at=${item.at}><span class="tag">taken into this turn</span></${Message}>`;
    case "message_sent":
      return html`<div class="sent"><div class="dim label"><${Icon} name="send" /> to <b><bdi>${plain(body.to)}</bdi></b> <${Time} at=${item.at} /></div>
        <${LongText} text=${body.body} /></div>`;
    default:
      return noticeView(item);
  }
}

function noticeView({ body, at }) {
  switch (body.kind) {
    case "message_parked":
      return html`<div class="notice bad" role="alert"><${Icon} name="inbox" /> a message from <b><bdi>${plain(body.sender)}</bdi></b> was set aside: <bdi>${plain(body.reason)}</bdi> <${Time} at=${at} /></div>`;
    case "trouble":
      return html`<div class="notice bad" role="alert"><${Icon} name="triangle-alert" /> <b>${plain(body.code).replaceAll("_", " ")}</b> <bdi>${plain(body.message)}</bdi>
        ${body.retry_at && html`<span class="dim"> next try ${clock(body.retry_at)}</span>`} <${Time} at=${at} /></div>`;
    case "logged_in":
      return html`<div class="notice"><${Icon} name="key-round" /> was given <bdi>${plain(body.means)}</bdi> <${Time} at=${at} /></div>`;
    case "started":
      return html`<div class="notice"><${Icon} name="play" /> started${body.resumed ? ", session resumed" : ""} <span class="dim"><bdi>${plain(body.model)}</bdi></span> <${Time} at=${at} /></div>`;
    case "stopped":
      return html`<div class="notice"><${Icon} name="square" /> stopped: <bdi>${plain(body.reason)}</bdi> <${Time} at=${at} /></div>`;
    default:
      return html`<div class="notice dim">${plain(body.kind).replaceAll("_", " ")} <${Time} at=${at} /></div>`;
  }
}

const GOOD = new Set(["answered"]);
const BAD = new Set(["failed", "interrupted"]);

/** How the turn goes, or went: outcome, duration, cost. */
function Outcome({ block: { start, end, at } }) {
  if (!end) return html`<span class="outcome accent"><${Icon} name="loader" spin=${true} /> working <${Elapsed} from=${at} /></span>`;
  const tokens = end.input_tokens + end.output_tokens + end.cache_read_tokens + end.cache_write_tokens;
  const [icon, tone] = BAD.has(end.outcome) ? ["circle-x", "bad"] : GOOD.has(end.outcome) ? ["check", "good"] : ["clock", "warn"];
  const waits = end.outcome === "postponed" && start?.sender === "operator" ? "postponed, the message waits" : end.outcome;
  return html`<span class="outcome"><span class=${tone}><${Icon} name=${icon} /> ${plain(waits)}</span>
    ${end.duration_s > 0 && html`<span>${span(end.duration_s * 1000)}</span>`}
    ${end.cost_usd > 0 && html`<span>${dollars(end.cost_usd)}</span>`}
    ${tokens > 0 && html`<span title=${`${end.input_tokens} in, ${end.output_tokens} out, ${end.cache_read_tokens} read from the cache, ${end.cache_write_tokens} written to it`}>${count(tokens)} tokens</span>`}</span>`;
}

/** The operator's own message says how far it came. */
const Receipt = ({ start, end }) => start.sender === "operator" && html`
  <span class="tag">${!end ? "delivered" : end.outcome === "postponed" ? "waits" : "read"}</span>`;

class Turn extends Steady {
  render({ block }) { return html`<${TurnView} block=${block} />`; }
}

function TurnView({ block }) {
  const [whole, setWhole] = useState(false);
  const { start, items, end } = block;
  const hidden = whole ? 0 : Math.max(0, items.length - SHOWN_ITEMS);
  return html`<article class=${end ? "turn" : "turn open"} tabindex="-1">
    ${start && (start.own
      ? html`<header class="own label dim"><${Icon} name="archive" /> ${OWN[start.own] ?? plain(start.own)} <${Time} at=${block.at} /> <${Outcome} block=${block} /></header>`
      : html`<${Message} body=${start} at=${block.at}><${Receipt} start=${start} end=${end} /><${Outcome} block=${block} /></${Message}>`)}
    ${!start && html`<header class="label dim"><${Outcome} block=${block} /></header>`}
    <div class="items">
      ${hidden > 0 && html`<button class="link" onClick=${() => setWhole(true)}>show ${hidden} earlier steps of this turn</button>`}
      ${items.slice(hidden).map((item) => html`<${Item} key=${item.key} item=${item} live=${!end} />`)}</div>
    ${end?.error && html`<footer class="notice bad"><bdi>${plain(end.error)}</bdi></footer>`}
  </article>`;
}

/** What the model is writing: plain until it is said, since it ends anywhere. */
export const DraftView = ({ draft: { text, thinking } }) => text && html`
  <div class="draft" aria-hidden="true"><div class=${`long-text${thinking ? " dim" : ""}`} dir="auto">${plain(text)}<span class="caret"></span></div></div>`;

/** Blocks of a transcript, as they stand, and `children` behind them; the page that embeds them scrolls. */
export const TranscriptView = ({ blocks, children }) => html`
  <div class="transcript" role="log" aria-live="off" aria-label="transcript">
    ${blocks.map((block) => (block.item
      ? html`<${Item} key=${block.key} item=${block.item} />`
      : html`<${Turn} key=${block.key} block=${block} />`))}
    ${children}
  </div>`;
