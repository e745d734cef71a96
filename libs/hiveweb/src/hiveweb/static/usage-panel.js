// What an agent's turns took: today, the last days, and what a day may cost. On both pages.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { count, dollars, plain, span } from "./format.js";

const AGAIN_MS = 60_000;
const MOST_TOOLS = 4;
const HIGH = 0.8; // of the cap: from here on it is worth a look

const money = (usd) => (usd ? dollars(usd) : "$0");
const read = (day) => day.input_tokens + day.cache_read_tokens + day.cache_write_tokens;

function tools(day) {
  const most = Object.entries(day.tools).sort(([, a], [, b]) => b - a);
  const shown = most.slice(0, MOST_TOOLS).map(([name, times]) => `${plain(name)} ${times}`).join(", ");
  return most.length > MOST_TOOLS ? `${shown}, …` : shown;
}

function Days({ days }) {
  return html`<div class="usage-days" tabindex="0" role="region" aria-label="turns by day"><table>
    <thead><tr><th scope="col">day (UTC)</th><th scope="col">cost</th><th scope="col">turns</th><th scope="col">time</th><th scope="col">tokens in</th><th scope="col">cached</th><th scope="col">out</th><th scope="col">tools</th></tr></thead>
    <tbody>${days.map((day) => html`<tr key=${day.day}><th scope="row">${day.day}</th><td>${money(day.cost_usd)}</td><td>${day.turns}</td><td>${span(day.duration_s * 1000)}</td>
      <td>${count(read(day))}</td><td>${count(day.cache_read_tokens)}</td><td>${count(day.output_tokens)}</td><td class="usage-tools"><bdi>${tools(day)}</bdi></td></tr>`)}</tbody>
  </table></div>`;
}

function CapForm({ cap, setCap }) {
  const [usd, setUsd] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    if (await setCap(Number(usd))) setUsd("");
  };
  return html`<form class="usage-cap" onSubmit=${submit}>
    <label for="usage-cap">Most that a day may cost, in US dollars</label>
    <div class="usage-row"><input id="usage-cap" type="number" min="0.01" max="100000" step="0.01" inputmode="decimal" value=${usd} placeholder=${cap == null ? "no cap" : String(cap)} onInput=${(event) => setUsd(event.target.value)} />
      <button type="submit" disabled=${!usd}>Set</button>
      <button type="button" disabled=${cap == null} onClick=${() => setCap("off")}>No cap</button>
      <button type="button" title="what its agent.toml says" onClick=${() => setCap("config")}>As in agent.toml</button></div>
  </form>`;
}

function Today({ usage }) {
  const today = usage.days.find((day) => day.day === usage.today);
  const cost = today?.cost_usd ?? 0;
  const cap = usage.cap_usd;
  return html`<p>Today <b>${money(cost)}</b>${cap != null && html` of ${dollars(cap)}`}, ${today?.turns ?? 0} turn${today?.turns === 1 ? "" : "s"}</p>
    ${cap != null && html`<meter min="0" max=${cap} high=${cap * HIGH} value=${Math.min(cost, cap)} aria-label="share of the day's cap that is spent"></meter>`}`;
}

/**
 * `ask()`: resolves to what the agent answers about its usage, or rejects. `spent`: what today cost as
 * the roster has it; a change asks anew. `setCap(cap)`: changes the cap and resolves to whether it did;
 * without it nothing can be changed here.
 */
export function UsagePanel({ ask, spent, setCap }) {
  const [open, setOpen] = useState(false);
  const [usage, setUsage] = useState(null);
  const [problem, setProblem] = useState(null);
  const asking = useRef(ask);
  asking.current = ask;
  const load = () => asking.current().then((answer) => { setUsage(answer); setProblem(null); }, setProblem);
  useEffect(() => {
    if (!open) return undefined;
    load();
    const timer = setInterval(() => { if (!document.hidden) load(); }, AGAIN_MS);
    return () => clearInterval(timer);
  }, [open, spent]);
  const change = setCap && (async (cap) => {
    const changed = await setCap(cap);
    await load();
    return changed;
  });
  return html`<details class="usage-panel card" open=${open} onToggle=${(event) => { if (event.target === event.currentTarget) setOpen(event.currentTarget.open); }}>
    <summary>Usage: ${money(spent)} today</summary>
    ${open && html`<div class="usage-body">
      ${problem && html`<div class="error" role="alert">${plain(problem.message)}${problem.hint && html`<div class="hint">${plain(problem.hint)}</div>`}</div>`}
      ${usage && html`<${Today} usage=${usage} />
        ${usage.days.length ? html`<${Days} days=${usage.days} />` : html`<p class="dim">No turn in the last days.</p>`}
        ${change && html`<${CapForm} cap=${usage.cap_usd} setCap=${change} />`}`}
    </div>`}
  </details>`;
}
