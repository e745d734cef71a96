// The dashboard's page: login, the frame around the pages, routes by the address's fragment, keys.
import { html, render, signal, useEffect } from "../hiveweb/vendor/preact.js";
import { logInFromFragment, logOut, user } from "../hiveweb/auth.js";
import { StaleBanner } from "../hiveweb/condition.js";
import { plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { AgentPage } from "./agent.js";
import { AgentsPage } from "./agents.js";
import { ApprovalsPage } from "./approvals.js";
import { AttentionPage } from "./attention.js";
import { AuditPage } from "./audit.js";
import { Help, bindKeys } from "./keys.js";
import { LogsPage } from "./logs.js";
import { SchedulesPage } from "./schedules.js";
import { Notices, RunningJobs } from "./notices.js";
import { attention, feed, pending, services } from "./store.js";

const route = signal(readRoute());
const loginError = signal(null);

function readRoute() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const [, page = "", name = ""] = path.split("/");
  return { page, name: decodeURIComponent(name), query: new URLSearchParams(query) };
}
addEventListener("hashchange", async () => {
  await logIn(); // a login link that was opened in this very tab
  const before = route.peek();
  route.value = readRoute();
  if (before.page !== route.peek().page || before.name !== route.peek().name) scrollTo(0, 0);
});

const PAGES = [
  ["", "Attention", "inbox"], ["agents", "Agents", "users"], ["approvals", "Approvals", "circle-check"], ["schedules", "Schedules", "clock"], ["audit", "Audit", "archive"], ["logs", "Logs", "scroll-text"],
];

function Nav({ page }) {
  return html`<nav aria-label="pages">${PAGES.map(([path, title, icon]) => html`
    <a href=${`#/${path}`} aria-current=${page === path ? "page" : null}>
      <${Icon} name=${icon} /><span>${title}</span>
      ${path === "" && attention.value > 0 && html`<b class="count" aria-label=${`${attention.value} waiting`}>${attention.value}</b>`}
      ${path === "approvals" && pending.value.length > 0 && html`<b class="count">${pending.value.length}</b>`}
    </a>`)}</nav>`;
}

function Banners() {
  const { bus, page } = feed.condition.value;
  if (feed.stale.value) return html`<${StaleBanner} feed=${feed} what="the dashboard" />`;
  const away = [...(services.value?.entries() ?? [])].filter(([, one]) => !one.ok);
  return html`
    ${bus === false && html`<div class="banner bad" role="status" data-banner="bus"><${Icon} name="loader" spin=${true} /> The bus is away: what you see may be old. The hive goes on when it is back.</div>`}
    ${bus !== false && away.map(([name, one]) => html`<div class="banner" role="status" data-banner=${name}><${Icon} name="triangle-alert" />
      ${name} does not answer (${relative(one.since)}): <bdi>${plain(one.error)}</bdi></div>`)}
    ${page && !import.meta.url.includes(page) && html`<div class="banner" role="status"><${Icon} name="refresh-cw" /> The dashboard was updated.
      <button class="link" onClick=${() => location.reload()}>Load the new page</button></div>`}`;
}

function Page() {
  const { page, name, query } = route.value;
  if (page === "agents" && name) return html`<${AgentPage} key=${name} name=${name} />`;
  if (page === "agents") return html`<${AgentsPage} />`;
  if (page === "approvals") return html`<${ApprovalsPage} number=${name} />`;
  if (page === "schedules") return html`<${SchedulesPage} />`;
  if (page === "audit") return html`<${AuditPage} />`;
  if (page === "logs") return html`<${LogsPage} query=${query} />`;
  if (page === "") return html`<${AttentionPage} />`;
  return html`<section class="empty"><h1>There is no such page</h1><p><a href="#/">To what needs attention</a></p></section>`;
}

function Login() {
  return html`<main class="login"><div class="card">
    <h1>hive</h1>
    ${loginError.value && html`<div class="error" role="alert">${loginError.value.message}<div class="hint">${loginError.value.hint}</div></div>`}
    <p>You are not logged in in this browser.</p>
    <p>Run <code>hive open</code> on the host and open the link that it prints. A link works once, for a day; the login then lasts 30 days.</p>
  </div></main>`;
}

function App() {
  const waiting = attention.value;
  useEffect(() => {
    document.title = user.value && waiting ? `(${waiting}) hive` : "hive";
    const icon = document.getElementById("favicon");
    icon.href = icon.href.replace(/favicon(-alert)?\.svg$/, waiting ? "favicon-alert.svg" : "favicon.svg");
  }, [waiting, user.value]);
  useEffect(() => { if (user.value) feed.start(); else feed.stop(); }, [user.value]);
  if (!user.value) return html`<${Login} />`;
  return html`
    <a class="visually-hidden" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the page</a>
    <header class="top"><a class="brand" href="#/"><${Icon} name="zap" /> hive</a><${Nav} page=${route.value.page} />
      <${RunningJobs} />
      <span class="who"><${Icon} name="user" /><span>${user.value}</span>
      <button class="quiet" title="log out of this browser" aria-label="log out" onClick=${logOut}><${Icon} name="log-out" /></button></span></header>
    <${Banners} />
    <main id="main" tabindex="-1"><${Page} /></main>
    <${Notices} /><${Help} />`;
}

async function logIn() {
  try {
    await logInFromFragment();
    loginError.value = null;
  } catch (error) {
    loginError.value = error; // a link that was used before ends no login that still holds
  }
}

bindKeys();
await logIn();
route.value = readRoute();
render(html`<${App} />`, document.getElementById("app"));
