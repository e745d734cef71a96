// What a human does here: requests in their name, results and failures as toasts.
import { signal } from "../hiveweb/vendor/preact.js";
import { call } from "../hiveweb/auth.js";
import { Outbox, uuid } from "../hiveweb/outbox.js";

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

/** What an agent's turns took in the last days; rejects with `Refused`. */
export const usageOf = (agent) => call("POST", `/api/agents/${agent}/usage`);

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

const outboxes = new Map();

/** What was written here to `agent` and has not begun a turn yet. */
export function outboxOf(agent) {
  if (!outboxes.has(agent)) outboxes.set(agent, new Outbox(agent, (message) => call("POST", `/api/agents/${agent}/message`, message)));
  return outboxes.get(agent);
}
