// Messages that were written in this browser and have not begun a turn yet; they outlive a reload.
import { html, signal } from "./vendor/preact.js";
import { absolute, plain, relative } from "./format.js";
import { Icon } from "./icon.js";
import { keep, kept } from "./keep.js";
import { LongText } from "./long-text.js";

const KEEP_MS = 7 * 86400e3;
const WORDS = { sending: "sending…", queued: "queued: waits for its turn", failed: "not sent" };

/** A random id; also where `crypto.randomUUID` is missing (plain HTTP from another host). */
export function uuid() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})(.*)$/, "$1-$2-$3-$4-$5");
}

/** The messages to one agent. `post({id, body})` hands one over and rejects with what went wrong. */
export class Outbox {
  constructor(agent, post) {
    this.key = `hive.outbox.${agent}`;
    this.post = post;
    const stored = kept(this.key, []);
    /** `{id, body, at, state, error}`, the oldest first. */
    this.messages = signal(stored.filter((one) => Date.now() - Date.parse(one.at) < KEEP_MS));
  }

  #set(list) {
    this.messages.value = list;
    keep(this.key, list);
  }

  #change(id, what) { this.#set(this.messages.peek().map((one) => (one.id === id ? { ...one, ...what } : one))); }

  /** Send a message; tried `again` with the same id it is still one message. */
  async send(body, again = null) {
    const one = again ?? { id: uuid(), body, at: new Date().toISOString() };
    if (again) this.#change(one.id, { state: "sending", error: null });
    else this.#set([...this.messages.peek(), { ...one, state: "sending" }]);
    try {
      await this.post({ id: one.id, body: one.body });
      this.#change(one.id, { state: "queued" });
    } catch (error) {
      this.#change(one.id, { state: "failed", error: `${error.message}${error.hint ? ` — ${error.hint}` : ""}` });
    }
  }

  /** Forget what the agent has begun to read: its transcript shows it. */
  clear(receipts) {
    const waiting = this.messages.peek().filter((one) => !receipts.has(one.id));
    if (waiting.length !== this.messages.peek().length) this.#set(waiting);
  }

  forget(id) { this.#set(this.messages.peek().filter((one) => one.id !== id)); }
}

function Outgoing({ outbox, one }) {
  return html`<article class="outgoing" data-message=${one.id} data-state=${one.state}>
    <div class="label dim"><${Icon} name=${one.state === "failed" ? "circle-x" : "clock"} /> you,
      <time datetime=${one.at} title=${absolute(one.at)}>${relative(one.at)}</time> <span class=${one.state === "failed" ? "bad" : ""}>${WORDS[one.state] ?? ""}</span></div>
    <${LongText} text=${one.body} />
    ${one.state === "failed" && html`<div class="error">${plain(one.error)}
      <div class="buttons"><button onClick=${() => outbox.forget(one.id)}>Discard</button>
        <button class="primary" onClick=${() => outbox.send(one.body, one)}><${Icon} name="refresh-cw" /> Try again</button></div></div>`}
  </article>`;
}

/** What waits to be read, below a transcript whose `receipts` say what has begun. */
export const OutgoingMessages = ({ outbox, receipts }) => outbox.messages.value.filter((one) => !receipts.has(one.id))
  .map((one) => html`<${Outgoing} key=${one.id} outbox=${outbox} one=${one} />`);
