// The one live WebSocket of a tab: subscriptions that survive reconnects and resume where they were.
import { batch, signal } from "./vendor/preact.js";
import { Refused, logOut, token } from "./auth.js";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;
const STALE_AFTER_MS = 2000;
const SILENT_AFTER_MS = 4000; // the server says something every second
const NOT_LOGGED_IN = 4401;

export class Feed {
  /** `path` of the WebSocket on this origin. Nothing happens before `start()`. */
  constructor(path) {
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.subscriptions = new Map();
    this.next = 1;
    this.wait = FIRST_WAIT_MS;
    /** What the server says of itself with every batch, e.g. `{bus: true}`. */
    this.condition = signal({});
    /** Whether what the page shows may be old: the server has been away for 2 s. */
    this.stale = signal(false);
    /** When something last arrived (ms since the epoch). */
    this.heardAt = signal(Date.now());
    this.lastFrame = Date.now();
  }

  start() {
    if (this.timer) return;
    this.timer = setInterval(() => this.#watch(), 500);
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
    this.#connect();
  }

  stop() {
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.timer = null;
    this.socket?.close();
    this.socket = null;
  }

  /**
   * Subscribe. `params()` is asked at every (re)connect, so that it can say where to resume;
   * `onItems(items)` gets what is new; `onError(Refused)` the end, if the server ends it.
   * Returns the function that unsubscribes.
   */
  open(topic, params, onItems, onError = (error) => console.error(topic, error.message)) {
    const subscription = { topic, params, onItems, onError, id: this.next++ };
    this.subscriptions.set(subscription.id, subscription);
    if (this.ready) this.#send({ type: "open", id: subscription.id, topic, params: params() });
    return () => {
      if (this.subscriptions.delete(subscription.id) && this.ready) this.#send({ type: "close", id: subscription.id });
    };
  }

  #connect() {
    if (!this.timer || !token()) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.ready = false;
    socket.onopen = () => {
      this.ready = true;
      this.#send({ type: "hello", token: token() });
      // Numbers of their own, so that nothing of an earlier connection is taken for new.
      const again = [...this.subscriptions.values()];
      this.subscriptions.clear();
      for (const one of again) {
        one.id = this.next++;
        this.subscriptions.set(one.id, one);
        this.#send({ type: "open", id: one.id, topic: one.topic, params: one.params() });
      }
    };
    socket.onmessage = (event) => this.#take(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.ready = false;
      this.socket = null;
      if (event.code === NOT_LOGGED_IN) logOut();
      else this.#retryLater();
    };
  }

  #take(frame) {
    this.wait = FIRST_WAIT_MS;
    this.lastFrame = Date.now();
    const perSubscription = new Map();
    for (const { id, item, error } of frame.entries) {
      const subscription = this.subscriptions.get(id);
      if (!subscription) continue;
      if (error) {
        this.subscriptions.delete(id);
        subscription.onError(new Refused(error));
      } else if (perSubscription.has(subscription)) perSubscription.get(subscription).push(item);
      else perSubscription.set(subscription, [item]);
    }
    batch(() => {
      this.heardAt.value = this.lastFrame;
      this.stale.value = false;
      if (JSON.stringify(frame.condition) !== JSON.stringify(this.condition.peek())) this.condition.value = frame.condition;
      for (const [subscription, items] of perSubscription) subscription.onItems(items);
    });
    this.#send({ type: "ack", n: frame.n });
  }

  #watch() {
    const silent = Date.now() - this.lastFrame;
    this.stale.value = silent > (this.ready ? SILENT_AFTER_MS : STALE_AFTER_MS);
    if (this.ready && silent > 3 * SILENT_AFTER_MS) this.socket.close();
  }

  #retryLater() {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.#connect(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  #retryNow() {
    if (this.socket || !this.timer) return;
    clearTimeout(this.retry);
    this.wait = FIRST_WAIT_MS;
    this.#connect();
  }

  #send(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }
}
