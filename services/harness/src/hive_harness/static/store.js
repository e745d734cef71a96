// What the page knows of its agent: kept up to date over one WebSocket, and read back on demand.
import { computed, signal } from "../hiveweb/vendor/preact.js";
import { activityOf } from "../hiveweb/activity.js";
import { call } from "../hiveweb/auth.js";
import { Outbox } from "../hiveweb/outbox.js";
import { Feed } from "../hiveweb/socket.js";
import { MOST_EVENTS, Transcript } from "../hiveweb/transcript.js";

export const agent = document.body.dataset.agent;
/** Where the agent is on the dashboard; empty when nobody knows. */
export const dashboard = Number(document.body.dataset.dashboard)
  ? `${location.protocol}//${location.hostname}:${document.body.dataset.dashboard}/#/agents/${agent}` : "";

const AGAIN_MS = 3000;
const BATCH = 300;

export const feed = new Feed("/api/live");
export const transcript = new Transcript();
/** The harness's account of itself; null until it has come. */
export const status = signal(null);
/** What waits: messages, parked ones, questions, reminders, requests; null until it has come. */
export const openItems = signal(null);
/** The oldest event that is kept; null while the history is being read. */
export const oldest = signal(null);
export const readingBack = signal(false);

feed.open("transcript", () => ({ after: transcript.last }), (items) => {
  transcript.add(items.filter((item) => item.event).map((item) => item.event));
  for (const item of items) {
    if (item.status) status.value = item.status;
    if (item.first_seq !== undefined) oldest.value = item.first_seq;
  }
});

function followOpenItems() {
  feed.open("open_items", () => ({}), (items) => { openItems.value = items[items.length - 1]; }, () => setTimeout(followOpenItems, AGAIN_MS));
}
followOpenItems();

/** What the model is writing at this moment: `{text, thinking}`; empty when it does not. */
export const draft = signal({});
feed.open("draft", () => ({}), (items) => { draft.value = items[items.length - 1]; });

export const outbox = new Outbox(agent, (message) => call("POST", "/api/messages", message));

/** `{word, icon, tone}` of how the agent is. */
export const activity = computed(() => (status.value ? activityOf(status.value) : { word: "…", icon: "loader", tone: "" }));
/** Whether acts can be asked for now. */
export const offline = computed(() => (feed.stale.value ? `no connection to ${agent}` : ""));
/** How much there is in the panel that somebody should look at. */
export const attention = computed(() => (status.value?.parked ?? 0) + (status.value?.needs_login ? 1 : 0) + (openItems.value?.questions ?? []).filter((one) => one.answerer === "operator").length);

/** Whether there are older events than those that are here. */
export const more = computed(() => transcript.blocks.value.length > 0 && oldest.value !== null && transcript.first > oldest.value && transcript.events.length < MOST_EVENTS);

/** Read further back; the first events that are kept end it. */
export async function readBack() {
  if (readingBack.peek() || !more.peek() || offline.peek()) return;
  readingBack.value = true;
  try {
    const { events, first_seq: first } = await call("POST", "/api/history", { before: transcript.first, limit: BATCH });
    if (events.length) transcript.addOlder(events);
    oldest.value = events.length ? first : transcript.first;
  } catch {
    // The page says that there is no connection; a scroll asks again.
  } finally {
    readingBack.value = false;
  }
}
