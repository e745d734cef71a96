// What a human does here: requests in their name, results and failures as toasts.
import { signal } from "../hiveweb/vendor/preact.js";
import { call } from "../hiveweb/auth.js";

/** Short results and lasting failures: `{id, text, hint, bad}`. */
export const toasts = signal([]);
let next = 1;
const RESULT_MS = 5000;

export function toast(text, { hint = "", bad = false } = {}) {
  const one = { id: next++, text, hint, bad };
  toasts.value = [...toasts.peek(), one].slice(-5);
  if (!bad) setTimeout(() => dismiss(one.id), RESULT_MS);
}
export const dismiss = (id) => { toasts.value = toasts.peek().filter((one) => one.id !== id); };

/** A random id; also where `crypto.randomUUID` is missing (plain HTTP from another host). */
export function uuid() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})(.*)$/, "$1-$2-$3-$4-$5");
}

/** Ask for `verb`; the same `id` asks for the same thing again. Rejects with `Refused`. */
export const act = (verb, body, id = uuid()) => call("POST", `/api/hive/${verb}`, body, { "Hive-Request-Id": id });

/** Ask for `verb` and show a refusal as a toast; resolves to whether it was accepted. */
export async function actOrTell(verb, body) {
  try {
    await act(verb, body);
    return true;
  } catch (error) {
    toast(`${verb} ${body.agent ?? body.id ?? body.job}: ${error.message}`, { hint: error.hint, bad: true });
    return false;
  }
}

export async function interrupt(agent) {
  try {
    const { changed } = await call("POST", `/api/agents/${agent}/interrupt`);
    toast(changed ? `${agent}: the turn was stopped` : `${agent}: no turn was running`);
  } catch (error) {
    toast(`interrupt ${agent}: ${error.message}`, { hint: error.hint, bad: true });
  }
}

/** Ask for a step of an agent's login at Claude; rejects with `Refused`. */
export const logIn = (agent, verb, body) => call("POST", `/api/agents/${agent}/login/${verb}`, body);

/** Open the agent's own page, logged in, on the host that this browser uses. */
export async function openPage(agent) {
  try {
    const { port, fragment } = await call("POST", `/api/agents/${agent}/ticket`);
    open(`${location.protocol}//${location.hostname}:${port}/#${fragment}`, "_blank", "noopener,noreferrer");
  } catch (error) {
    toast(`${agent}'s page: ${error.message}`, { hint: error.hint, bad: true });
  }
}

// Messages that were written here and have not begun a turn yet, per agent; they outlive a reload.
const outboxes = new Map();
const KEEP_MS = 7 * 86400e3;

export function outboxOf(agent) {
  if (!outboxes.has(agent)) {
    const stored = JSON.parse(localStorage.getItem(`hive.outbox.${agent}`) ?? "[]");
    outboxes.set(agent, signal(stored.filter((one) => Date.now() - Date.parse(one.at) < KEEP_MS)));
  }
  return outboxes.get(agent);
}
function setOutbox(agent, list) {
  outboxOf(agent).value = list;
  localStorage.setItem(`hive.outbox.${agent}`, JSON.stringify(list));
}
const change = (agent, id, what) => setOutbox(agent, outboxOf(agent).peek().map((one) => (one.id === id ? { ...one, ...what } : one)));

/** Forget what the agent has begun to read: its transcript shows it. */
export function clearDelivered(agent, receipts) {
  const waiting = outboxOf(agent).peek().filter((one) => !receipts.has(one.id));
  if (waiting.length !== outboxOf(agent).peek().length) setOutbox(agent, waiting);
}
export const forget = (agent, id) => setOutbox(agent, outboxOf(agent).peek().filter((one) => one.id !== id));

/** Send a message; tried again with the same id it is still one message. */
export async function sendMessage(agent, body, again = null) {
  const one = again ?? { id: uuid(), body, at: new Date().toISOString() };
  if (again) change(agent, one.id, { state: "sending", error: null });
  else setOutbox(agent, [...outboxOf(agent).peek(), { ...one, state: "sending" }]);
  try {
    await call("POST", `/api/agents/${agent}/message`, { id: one.id, body: one.body });
    change(agent, one.id, { state: "queued" });
  } catch (error) {
    change(agent, one.id, { state: "failed", error: `${error.message}${error.hint ? ` — ${error.hint}` : ""}` });
  }
}
