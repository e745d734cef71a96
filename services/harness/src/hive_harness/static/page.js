// The agent's own page: what it does, live; a box to write to it; a way to stop it.
import { html, render, signal, useEffect, useRef } from "../hiveweb/vendor/preact.js";
import { call, logInFromFragment, user } from "../hiveweb/auth.js";
import { Feed } from "../hiveweb/socket.js";
import { plain, relative } from "../hiveweb/format.js";
import { LoginPanel } from "../hiveweb/login-panel.js";
import { Transcript } from "../hiveweb/transcript.js";
import { TranscriptView } from "../hiveweb/transcript-view.js";

const agent = document.body.dataset.agent;
const DRAFT = "hive.draft";

const transcript = new Transcript();
const status = signal(null);
const problem = signal("");
const feed = new Feed("/api/live");

feed.open("transcript", () => ({ after: transcript.last }), (items) => {
  transcript.add(items.filter((item) => item.event).map((item) => item.event));
  for (const item of items) if (item.status) status.value = item.status;
});

async function attempt(action) {
  try {
    await action();
    problem.value = "";
    return true;
  } catch (error) {
    problem.value = [error.message, error.hint].filter(Boolean).join(": ");
    return false;
  }
}

function Header() {
  const now = status.value;
  const used = now?.context_used;
  return html`<header>
    <h1>${agent}</h1>
    <b role="status">${feed.stale.value ? "not connected" : plain(now?.activity ?? "idle")}</b>
    ${now?.paused && html`<b>paused</b>`}
    ${now?.current_tool && html`<span>${plain(now.current_tool)}</span>`}
    ${now?.status_text && html`<bdi>${plain(now.status_text)}</bdi>`}
    ${now?.model && html`<span class="dim">${plain(now.model)}</span>`}
    ${used != null && html`<span class="dim">context ${Math.round(used * 100)} %</span>`}
    ${now?.trouble && html`<span class="bad" role="alert"><b>${plain(now.trouble)}</b> <bdi>${plain(now.trouble_text)}</bdi>
      ${now.retry_at && html` next try ${relative(now.retry_at)}`}
      <button onClick=${() => attempt(() => call("POST", "/api/retry", {}))}>try now</button></span>`}
    ${now?.activity === "working" && html`<button onClick=${() => attempt(() => call("POST", "/api/interrupt", {}))}>stop the turn</button>`}
  </header>`;
}

const logIn = (verb, body) => call("POST", `/api/claude/${verb}`, body);

function Main() {
  const box = useRef(null);
  const follows = useRef(true);
  const blocks = transcript.blocks.value;
  useEffect(() => {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [blocks]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    follows.current = scrollHeight - scrollTop - clientHeight < 80;
  };
  return html`<main ref=${box} onScroll=${onScroll}>
    ${blocks.length ? html`<${TranscriptView} blocks=${blocks} />` : html`<p class="dim">Nothing has happened yet. Write to ${agent} below.</p>`}
  </main>`;
}

function Box() {
  const text = useRef(null);
  const send = async (event) => {
    event?.preventDefault();
    const body = text.current.value;
    if (!body.trim()) return;
    const id = crypto.randomUUID?.() ?? `page-${Date.now()}-${Math.random().toString(36).slice(2)}`;
    if (await attempt(() => call("POST", "/api/messages", { id, body }))) {
      text.current.value = "";
      localStorage.removeItem(DRAFT);
    }
  };
  const onKeyDown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event); };
  return html`<form onSubmit=${send}>
    <textarea ref=${text} aria-label=${`message to ${agent}`} placeholder=${`Write to ${agent} (Ctrl+Enter sends)`}
      onInput=${(event) => localStorage.setItem(DRAFT, event.target.value)} onKeyDown=${onKeyDown}>${localStorage.getItem(DRAFT) ?? ""}</textarea>
    <button type="submit">Send</button>
  </form>`;
}

function Page() {
  useEffect(() => { if (user.value) feed.start(); else feed.stop(); }, [user.value]);
  if (!user.value) {
    return html`<div class="page"><main><h1>${agent}</h1><p>You are not logged in here. Get a link with <code>hive open ${agent}</code>.</p>
      ${problem.value && html`<p class="bad" role="alert">${problem.value}</p>`}</main></div>`;
  }
  return html`<div class="page"><${Header} />
    <${LoginPanel} agent=${agent} needed=${status.value?.needs_login ?? false} ask=${logIn} /><${Main} />
    ${problem.value && html`<p class="bad" role="alert">${problem.value}</p>`}<${Box} /></div>`;
}

attempt(logInFromFragment).then(() => render(html`<${Page} />`, document.body));
