// The agent's own page: what it does, live; what waits for it; a box to write to it; ways to stop and change it.
import { html, render, signal, useEffect, useState } from "../hiveweb/vendor/preact.js";
import { logInFromFragment, user } from "../hiveweb/auth.js";
import { StaleBanner } from "../hiveweb/condition.js";
import { Icon } from "../hiveweb/icon.js";
import { Bar } from "./bar.js";
import { Help } from "./keys.js";
import { Panel, Trouble } from "./panel.js";
import { Stream } from "./stream.js";
import { activity, agent, attention, feed, status } from "./store.js";

const refusal = signal(null);

function Banners() {
  const { bus, page } = feed.condition.value;
  if (feed.stale.value) return html`<${StaleBanner} feed=${feed} what=${agent} />`;
  return html`
    ${bus === false && html`<div class="banner" role="status" data-banner="bus"><${Icon} name="loader" spin=${true} /> The bus is away: ${agent} works on what it has, and messages wait.</div>`}
    ${page && !import.meta.url.includes(page) && html`<div class="banner" role="status" data-banner="new"><${Icon} name="refresh-cw" /> This page was updated.
      <button class="link" onClick=${() => location.reload()}>Load the new one</button></div>`}`;
}

const Login = () => html`<main class="login"><div class="card">
  <h1>${agent}</h1>
  ${refusal.value && html`<div class="error" role="alert">${refusal.value.message}<div class="hint">${refusal.value.hint}</div></div>`}
  <p>You are not logged in in this browser.</p>
  <p>Run <code>hive open ${agent}</code> on the host and open the link that it prints, or open the page from the dashboard. A link works once, for ten minutes; the login then lasts 30 days.</p>
</div></main>`;

function Page() {
  const [panel, setPanel] = useState(false);
  const { word } = activity.value;
  const count = attention.value;
  const needy = Boolean(status.value?.needs_login);
  useEffect(() => { if (needy) setPanel(true); }, [needy]); // nothing goes on before that is done
  useEffect(() => { document.title = user.value ? `${count ? `(${count}) ` : ""}${agent} · ${word}` : agent; }, [word, count, user.value]);
  useEffect(() => { if (user.value) feed.start(); else feed.stop(); }, [user.value]);
  if (!user.value) return html`<${Login} />`;
  return html`<div class=${panel ? "page with-panel" : "page"}>
    <a class="visually-hidden" href="#message" onClick=${(event) => { event.preventDefault(); document.getElementById("message").focus(); }}>Skip to the message box</a>
    <${Bar} panel=${panel} onPanel=${() => setPanel(!panel)} />
    <div class="banners"><${Banners} /><div class="narrow-only"><${Trouble} /></div></div>
    <main id="main" class="frame" tabindex="-1"><${Stream} /><${Panel} /></main><${Help} /></div>`;
}

async function logIn() {
  try {
    await logInFromFragment();
    refusal.value = null;
  } catch (error) {
    refusal.value = error; // a link that was used before ends no login that still holds
  }
}

addEventListener("hashchange", logIn); // a login link that was opened in this very tab
await logIn();
render(html`<${Page} />`, document.getElementById("app"));
