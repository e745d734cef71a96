// What an operator does here, and what came of it: results for a moment, failures until they are dismissed.
import { html, signal } from "../hiveweb/vendor/preact.js";
import { call } from "../hiveweb/auth.js";
import { plain } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { agent } from "./store.js";

const RESULT_MS = 6000;
const notice = signal(null);
let fading;

function tell(text, { hint = "", bad = false } = {}) {
  clearTimeout(fading);
  notice.value = { text, hint, bad };
  if (!bad) fading = setTimeout(() => { notice.value = null; }, RESULT_MS);
}

/** Ask for `path`; resolves to the answer, or to null after a refusal, which is shown. */
async function ask(path, body, words) {
  try {
    const answer = await call("POST", `/api/${path}`, body);
    tell(words(answer));
    return answer;
  } catch (error) {
    tell(error.message, { hint: error.hint, bad: true });
    return null;
  }
}

export const interrupt = () => ask("interrupt", {}, ({ changed }) => (changed ? "The turn was stopped." : "No turn was running."));
export const retry = () => ask("retry", {}, ({ changed }) => (changed ? "Trying again." : "Nothing waits for another try."));
export const pause = (paused) => ask("pause", { paused }, ({ changed }) => (!changed ? `${agent} was ${paused ? "paused" : "not paused"} already.`
  : paused ? `${agent} begins no further turn; messages wait.` : `${agent} goes on.`));
export const compact = () => ask("compact", {}, ({ changed }) => (changed ? "It saves its notes and shortens its conversation as soon as no turn runs." : "That was asked for already."));
export const newSession = () => ask("new-session", {}, ({ changed }) => (changed ? "The next turn begins a new conversation." : "The conversation is a new one already."));
export const resend = (number) => ask("resend", { number }, ({ changed }) => (changed ? "The message waits for another turn." : "It was sent again already."));
export const choose = (choice) => ask("model", choice, ({ status }) => `From the next turn on: ${status.model || "the usual model"}${status.effort ? `, effort ${status.effort}` : ""}.`);
export const usage = () => call("POST", "/api/usage", { days: 14 });
export const logIn = (verb, body) => call("POST", `/api/claude/${verb}`, body);

export const Notice = () => notice.value && html`
  <div class=${notice.value.bad ? "told error" : "told card"} role=${notice.value.bad ? "alert" : "status"}>
    <div><bdi>${plain(notice.value.text)}</bdi>${notice.value.hint && html`<div class="hint"><bdi>${plain(notice.value.hint)}</bdi></div>`}</div>
    <button class="quiet" aria-label="dismiss" onClick=${() => { notice.value = null; }}><${Icon} name="x" /></button></div>`;
