// An agent's events in order, grouped as they are shown: turns with what happened in them.
import { computed, signal } from "./vendor/preact.js";

const MAX_EVENTS = 5000;
/** As many as are kept when somebody reads back; what is older is in the agent's own file. */
export const MOST_EVENTS = 20_000;

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
    /** The tool call that runs now, as its item; null when none does. */
    this.running = computed(() => runningCall(this.blocks.value));
    /** What became of messages: id → "delivered" (its turn began) or "read" (it is over). */
    this.receipts = signal(new Map());
    /** The last event's place; resume after it. */
    this.last = 0;
    this.most = MAX_EVENTS;
  }

  /** The first event's number, 0 without one: what is older comes before it. */
  get first() { return this.events[0]?.seq ?? 0; }

  /** Add what somebody reads back to: it is kept, although it is old. */
  addOlder(events) {
    this.most = Math.min(MOST_EVENTS, Math.max(this.most, this.events.length + events.length + MAX_EVENTS / 5));
    this.add(events);
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
    if (inOrder && this.events.length <= this.most) for (const event of fresh) this.grouping.take(event);
    else this.#regroup();
    this.last = Math.max(this.last, place(this.events[this.events.length - 1]));
    this.blocks.value = [...this.grouping.blocks];
    this.#receive(fresh);
  }

  /** Begin anew, with somewhat fewer events than are kept, so that this is rare. */
  #regroup() {
    this.events.sort((a, b) => place(a) - place(b));
    if (this.events.length > this.most) {
      this.most = MAX_EVENTS; // whoever had read back is at the end again, or reads back again
      for (const event of this.events.splice(0, this.events.length - MAX_EVENTS * 0.8)) this.known.delete(identity(event));
    }
    this.grouping = new Grouping();
    for (const event of this.events) this.grouping.take(event);
  }

  #receive(events) {
    const receipts = new Map();
    for (const { body } of events) {
      const begins = body.kind === "turn_started" || body.kind === "message_taken";
      if (begins && !this.receipts.peek().has(body.message_id)) receipts.set(body.message_id, "delivered");
      if (body.kind === "turn_ended" && body.outcome !== "postponed") for (const id of [body.message_id, ...(body.also ?? [])]) receipts.set(id, "read");
    }
    if (receipts.size) this.receipts.value = new Map([...this.receipts.peek(), ...receipts]);
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
    } else if (body.kind === "tool_result" && this.calls.has(body.call_id)) this.#answer(event);
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

  #answer({ body, at }) {
    const [block, index] = this.calls.get(body.call_id);
    const { items } = this.blocks[block];
    items[index] = { ...items[index], result: body, answeredAt: at };
    this.#change(block, {});
  }

  #change(index, what) { this.blocks[index] = { ...this.blocks[index], ...what }; }
}

function runningCall(blocks) {
  for (let n = blocks.length - 1; n >= 0; n -= 1) {
    const { items, end } = blocks[n];
    if (!items) continue;
    return end ? null : items.findLast(({ body, result }) => body.kind === "tool_call" && !result) ?? null;
  }
  return null;
}
