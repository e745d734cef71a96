// Notifications of the browser: what begins to wait for a human who looks elsewhere. Each comes once,
// names the agent, and leads to the place.
import { effect, html, signal } from "../hiveweb/vendor/preact.js";
import { plain } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { user } from "../hiveweb/auth.js";
import { failures, pending, questions, troubleOf, troubled, unseen } from "./store.js";

const TOLD = "hive.told";
const MOST_TOLD = 500;
const MOST_AT_ONCE = 4;
const SHOWN = 200;
// Browsers have none on pages that come over plain HTTP from another host.
const permission = signal(globalThis.Notification?.permission ?? "missing");

/** What waits, as `{key, title, body, place}`. */
function waiting() {
  const about = (one) => (one.agent === "all" ? "all agents" : one.agent);
  return [
    ...pending.value.map((one) => ({ key: `approval/${one.id}`, title: `${about(one)}: ${one.kind} waits for you`, body: one.reason, place: `#/approvals/${one.id}` })),
    ...[...(questions.value?.values() ?? [])].map((one) => ({ key: `question/${one.id}`, title: `${one.asker} asks you`, body: one.text, place: "#/" })),
    ...troubled.value.map((row) => ({ key: `trouble/${row.name}/${troubleOf(row).kind}/${row.harness.since ?? row.since}`, title: `${row.name}: ${troubleOf(row).kind}`, body: troubleOf(row).text, place: `#/agents/${row.name}` })),
    ...failures.value.map((job) => ({ key: `job/${job.id}`, title: `${about(job)}: ${job.verb} failed`, body: job.error?.message, place: job.approval ? `#/approvals/${job.approval}` : `#/agents/${job.agent}` })),
    ...unseen.value.map((item) => ({ key: `message/${item.cursor}`, title: `${item.sender} wrote to you`, body: item.message.body, place: `#/agents/${item.sender}` })),
  ];
}

/** Keep in mind, for all tabs, what was told; returns those of `items` that were not. */
function untold(items) {
  const told = JSON.parse(localStorage.getItem(TOLD) ?? "[]");
  const known = new Set(told);
  const fresh = items.filter((item) => !known.has(item.key));
  if (fresh.length) localStorage.setItem(TOLD, JSON.stringify([...told, ...fresh.map((item) => item.key)].slice(-MOST_TOLD)));
  return fresh;
}

function show({ key, title, body, place }) {
  const notification = new Notification(plain(title), { body: plain(body ?? "").slice(0, SHOWN), tag: key, icon: document.getElementById("favicon")?.href });
  notification.onclick = () => {
    focus();
    location.hash = place;
    notification.close();
  };
}

effect(() => {
  if (!user.value) return;
  const fresh = untold(waiting());
  // Who looks at the page sees it there.
  if (permission.value !== "granted" || document.hasFocus()) return;
  const [shown, rest] = [fresh.slice(0, MOST_AT_ONCE), fresh.length - MOST_AT_ONCE];
  for (const item of shown) show(item);
  if (rest > 0) show({ key: `more/${fresh[MOST_AT_ONCE].key}`, title: `${rest} more wait for you`, place: "#/" });
});

/** Asks for the browser's leave, where it was neither given nor refused. */
export function NotifyMe() {
  if (permission.value !== "default") return null;
  const ask = async () => { permission.value = await Notification.requestPermission(); };
  return html`<button class="quiet" onClick=${ask}><${Icon} name="inbox" /> Notify me<span class="wide-only"> when something waits</span></button>`;
}
