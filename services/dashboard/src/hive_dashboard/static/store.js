// What the page knows: tables and streams from the live socket, and what follows from them.
import { computed, signal } from "../hiveweb/vendor/preact.js";
import { Feed } from "../hiveweb/socket.js";
import { Transcript } from "../hiveweb/transcript.js";

export const feed = new Feed("/live");

/** A table that the server keeps up to date: a map by key; null until it has come. */
function table(topic) {
  const rows = signal(null);
  feed.open(topic, () => ({}), (items) => {
    let next = new Map(rows.peek() ?? []);
    for (const item of items) {
      if (item.all) next = new Map(Object.entries(item.all));
      for (const [key, row] of Object.entries(item.set ?? {})) next.set(key, row);
      for (const key of item.gone ?? []) next.delete(key);
    }
    rows.value = next;
  });
  return rows;
}

export const roster = table("roster");
export const approvals = table("approvals");
export const jobs = table("jobs");
export const kept = table("kept");
export const services = table("services");
export const questions = table("questions");
export const schedules = table("schedules");

/** Agents by name, the manager first. */
export const agents = computed(() => roster.value && [...roster.value.values()].sort(
  (a, b) => b.manager - a.manager || a.name.localeCompare(b.name)));
/** Approvals that wait, the oldest first. */
export const pending = computed(() => [...(approvals.value?.values() ?? [])]
  .filter((one) => one.state === "pending").sort((a, b) => a.id - b.id));

// Messages to the operators, and how far this browser has shown them.
const SEEN = "hive.seen";
export const messages = signal([]);
export const seen = signal(Number(localStorage.getItem(SEEN) ?? 0));
let lastMessage = 0;
feed.open("messages", () => ({ after: lastMessage }), (items) => {
  const fresh = items.filter((item) => item.cursor > lastMessage);
  if (!fresh.length) return;
  lastMessage = fresh[fresh.length - 1].cursor;
  messages.value = [...messages.peek(), ...fresh].slice(-200);
});
export function markSeen() {
  seen.value = lastMessage;
  localStorage.setItem(SEEN, String(lastMessage));
}
export const unseen = computed(() => messages.value.filter((item) => item.cursor > seen.value));

/** Troubles that pass without a human: the harness tries again by itself. */
const PASSING = new Set(["rate_limited", "overloaded", "api_error", "cli_crashed"]);

/** What keeps an agent from working and needs a human, in words; null when nothing does. */
export function troubleOf(row) {
  const { harness } = row;
  if (row.state === "failed") return { kind: "failed", text: row.note || "it failed" };
  if (row.state !== "running") return null;
  if (harness.needs_login) return { kind: "needs login", text: harness.trouble_text || "it has no login at Claude" };
  if (harness.trouble && !PASSING.has(harness.trouble)) return { kind: harness.trouble.replaceAll("_", " "), text: harness.trouble_text ?? "" };
  return null;
}
export const troubled = computed(() => (agents.value ?? []).filter(troubleOf));
// Jobs that failed and that nobody has looked at in this browser.
const FORGOTTEN = "hive.forgotten";
const ENDED = new Set(["done", "failed", "cancelled"]);
const forgotten = signal(new Set(JSON.parse(localStorage.getItem(FORGOTTEN) ?? "[]")));
/** Agents to which the last thing that was done failed: the job, the newest first. */
export const failures = computed(() => {
  const met = new Set();
  return [...(jobs.value?.values() ?? [])].sort((a, b) => b.created_at.localeCompare(a.created_at)).filter((job) => {
    if (!ENDED.has(job.state) || met.has(job.agent)) return false;
    met.add(job.agent);
    return job.state === "failed" && !forgotten.value.has(job.id);
  });
});
export function forgetFailure(id) {
  forgotten.value = new Set([...forgotten.peek(), id].slice(-200));
  localStorage.setItem(FORGOTTEN, JSON.stringify([...forgotten.peek()]));
}
/** How many things wait for a human. */
export const attention = computed(() => pending.value.length + (questions.value?.size ?? 0) + troubled.value.length + failures.value.length + unseen.value.length);

/** Whether `service` ("lifecycle", "approvals") can be asked now; without it dangerous buttons are off. */
export function reachable(service) {
  if (feed.stale.value || feed.condition.value.bus === false) return false;
  return services.value?.get(service)?.ok !== false;
}

const transcripts = new Map();
const KEPT_TRANSCRIPTS = 6;

/** The transcript of an agent in this tab; it outlives a look at another page. */
export function transcriptOf(agent) {
  const known = transcripts.get(agent) ?? { agent, model: new Transcript(), cursor: 0, history: 300, loaded: signal(false), error: signal(null) };
  transcripts.delete(agent);
  transcripts.set(agent, known);
  for (const old of [...transcripts.keys()].slice(0, -KEPT_TRANSCRIPTS)) transcripts.delete(old);
  return known;
}

/** Follow an agent's transcript; returns the function that stops it. */
export function followTranscript(one) {
  return feed.open("transcript", () => ({ agent: one.agent, after: one.cursor, history: one.history }), (items) => {
    const events = items.filter((item) => item.event);
    if (events.length) one.cursor = Math.max(one.cursor, events[events.length - 1].cursor);
    one.model.add(events.map((item) => ({ ...item.event, order: item.cursor })));
    if (items.some((item) => item.caught_up)) one.loaded.value = true;
  }, (error) => { one.error.value = error; });
}
