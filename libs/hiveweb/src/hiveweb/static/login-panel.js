// Logging an agent in at Claude: the same panel on the agent's own page and on the dashboard.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { absolute, plain, relative } from "./format.js";

const LOOK_MS = 700; // while the CLI has something to say
const GLANCE_MS = 5000; // somebody else may begin a login

const HOLDINGS = {
  given_token: "a token that was given to it",
  given_key: "an API key that was given to it",
  login: "its own login",
  hive: "the key or token that the hive was started with",
};
const METHODS = { claudeai: "a Claude subscription", console: "the Claude console" };
const KINDS = { oauth_token: "token, from claude setup-token", api_key: "API key" };
const underWay = (login) => ["starting", "waiting", "checking"].includes(login?.phase);

/** What `ask` answers, kept current: `[login, problem, act]`; `act(verb, body)` resolves to whether it went well. */
function useLogin(ask) {
  const [login, setLogin] = useState(null);
  const [problem, setProblem] = useState(null);
  const asking = useRef(ask);
  asking.current = ask;
  const act = async (verb, body = {}) => {
    try {
      setLogin((await asking.current(verb, body)).login);
      setProblem(null);
      return true;
    } catch (error) {
      setProblem(error);
      return false;
    }
  };
  const busy = underWay(login);
  useEffect(() => {
    act("status");
    const timer = setInterval(() => { if (!document.hidden) act("status"); }, busy ? LOOK_MS : GLANCE_MS);
    return () => clearInterval(timer);
  }, [busy]);
  return [login, problem, act];
}

function Problem({ problem }) {
  return problem && html`<div class="error" role="alert">${plain(problem.message)}${problem.hint && html`<div class="hint">${plain(problem.hint)}</div>`}</div>`;
}

/** Where to log in: an address that the CLI printed. Nothing but https becomes a link. */
function Address({ url }) {
  if (!url.startsWith("https://")) return html`<code class="login-address">${plain(url)}</code>`;
  return html`<a class="button login-link" href=${url} target="_blank" rel="noopener noreferrer">Open the page to log in</a>
    <details class="login-details"><summary>or open this address elsewhere</summary><code class="login-address">${plain(url)}</code></details>`;
}

function Code({ login, act }) {
  const [code, setCode] = useState("");
  const send = async (event) => {
    event.preventDefault();
    if (code.trim() && await act("code", { code: code.trim() })) setCode("");
  };
  const checking = login.phase === "checking";
  return html`<ol class="login-steps">
      <li><${Address} url=${login.url} /></li>
      <li><form onSubmit=${send}>
        <label for="login-code">The code that the page shows at the end</label>
        <div class="login-row"><input id="login-code" value=${code} onInput=${(event) => setCode(event.target.value)} autocomplete="off" autocapitalize="none" spellcheck=${false} disabled=${checking} />
          <button class="primary" type="submit" disabled=${checking || !code.trim()}>Log in</button></div>
      </form></li>
    </ol>
    ${checking ? html`<p role="status">Checking the code…</p>` : login.words && html`<div class="error" role="alert">${plain(login.words)}</div>`}
    ${!checking && login.expires_at && html`<p class="dim">Given up <time datetime=${login.expires_at} title=${absolute(login.expires_at)}>${relative(login.expires_at)}</time>.</p>`}`;
}

function Key({ login, act }) {
  const [kind, setKind] = useState("oauth_token");
  const [key, setKey] = useState("");
  const save = async (event) => {
    event.preventDefault();
    if (key.trim() && await act("key", { kind, key: key.trim() })) setKey("");
  };
  const read = async (event) => {
    const [file] = event.target.files;
    if (file) setKey((await file.slice(0, 4000).text()).trim());
    event.target.value = "";
  };
  const given = login.holding === "given_token" || login.holding === "given_key";
  return html`<details class="login-details"><summary>Give it a token or an API key instead</summary>
    <form class="login-key" onSubmit=${save}>
      <label for="login-kind">What it is</label>
      <select id="login-kind" value=${kind} onChange=${(event) => setKind(event.target.value)}>
        ${Object.entries(KINDS).map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}</select>
      <label for="login-key">Token or key</label>
      <input id="login-key" type="password" autocomplete="off" value=${key} onInput=${(event) => setKey(event.target.value)} />
      <label for="login-file">or a file that holds it</label>
      <input id="login-file" type="file" onChange=${read} />
      <div class="login-row"><button type="submit" class="primary" disabled=${!key.trim()}>Give it</button>
        ${given && html`<button type="button" class="danger" onClick=${() => act("key", { kind: login.holding === "given_key" ? "api_key" : "oauth_token" })}>Take it away</button>`}</div>
      <p class="dim">Kept in this agent's own directory, used from its next turn on.</p>
    </form></details>`;
}

function Begin({ login, act }) {
  return html`<div class="login-row">${Object.entries(METHODS).map(([method, words]) => html`
      <button key=${method} class=${method === "claudeai" && login.holding === "none" ? "primary" : ""} onClick=${() => act("start", { method })}>Log in with ${words}</button>`)}</div>
    <${Key} login=${login} act=${act} />`;
}

function Outcome({ login }) {
  if (login.phase === "done") return html`<p class="good" role="status">The login succeeded. What waited for it goes on by itself.</p>`;
  if (login.phase === "failed") return html`<${Problem} problem=${{ message: login.words, hint: login.hint }} />`;
  return login.words && html`<p class="dim" role="status">${plain(login.words)}</p>`;
}

function Course({ login, act }) {
  return html`<p><b>Log in with ${METHODS[login.method]}</b></p>
    ${login.phase === "starting" ? html`<p role="status">Asking for an address…</p>` : html`<${Code} login=${login} act=${act} />`}
    <div class="login-row"><button onClick=${() => act("cancel")}>Cancel the login</button></div>`;
}

function Body({ ask }) {
  const [login, problem, act] = useLogin(ask);
  return html`<div class="login-body">
    <${Problem} problem=${problem} />
    ${login && html`<p data-holding=${login.holding}>${login.holding === "none" ? "It has no login yet: its messages wait." : `Its turns are paid with ${HOLDINGS[login.holding] ?? plain(login.holding)}${login.account ? `: ${plain(login.account)}` : "."}`}</p>
      ${underWay(login) ? html`<${Course} login=${login} act=${act} />` : html`<${Outcome} login=${login} /><${Begin} login=${login} act=${act} />`}`}
  </div>`;
}

/**
 * `agent`: its name. `ask(verb, body)`: sends start, code, cancel, status or key and resolves to
 * `{login}` or rejects with `Refused`. `needed`: whether the agent waits for a login; then the panel is open.
 */
export function LoginPanel({ agent, ask, needed = false }) {
  const [open, setOpen] = useState(needed);
  useEffect(() => { if (needed) setOpen(true); }, [needed]);
  return html`<details class=${needed ? "login-panel card needed" : "login-panel card"} id="login" open=${open} onToggle=${(event) => { if (event.target === event.currentTarget) setOpen(event.currentTarget.open); }}>
    <summary>${needed ? html`<b>${plain(agent)} needs a login at Claude</b>` : "Login at Claude"}</summary>
    ${open && html`<${Body} ask=${ask} />`}
  </details>`;
}
