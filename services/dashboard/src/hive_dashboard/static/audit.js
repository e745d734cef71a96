// The audit: who did what, when, on what, with which result.
import { html, useEffect, useState } from "../hiveweb/vendor/preact.js";
import { absolute, clock, plain } from "../hiveweb/format.js";
import { act } from "./acts.js";
import { Refusal } from "./agents.js";

const FILTERS = ["who", "what", "target", "result"];

export function AuditPage() {
  const [filters, setFilters] = useState({});
  const [entries, setEntries] = useState(null);
  const [more, setMore] = useState(false);
  const [error, setError] = useState(null);
  async function load(before) {
    setError(null);
    const wanted = Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
    try {
      const found = await act("audit", before ? { ...wanted, before } : wanted);
      setEntries(before ? [...entries, ...found.entries] : found.entries);
      setMore(found.more);
    } catch (refused) {
      setError(refused);
    }
  }
  useEffect(() => { load(); }, []);
  return html`<div class="head"><h1>Audit</h1></div>
    <form class="filters" onSubmit=${(event) => { event.preventDefault(); load(); }}>
      ${FILTERS.map((name) => html`<label>${name} <input value=${filters[name] ?? ""} maxlength="64" onInput=${(event) => setFilters({ ...filters, [name]: event.target.value })} /></label>`)}
      <button class="primary">Search</button></form>
    <p class="dim">A filter that ends with <code>:</code> or <code>*</code> takes every beginning. <code>hive audit --export</code> writes all of it.</p>
    <${Refusal} error=${error} />
    <div class="scroll"><table class="audit"><thead><tr><th>when</th><th>who</th><th>what</th><th>on</th><th>result</th><th>detail</th></tr></thead>
      <tbody>${(entries ?? []).map((one) => html`<tr key=${one.id}><td><time datetime=${one.at} title=${absolute(one.at)}>${clock(one.at)}</time></td>
        ${["who", "what", "target", "result", "detail"].map((name) => html`<td><bdi>${plain(one[name])}</bdi></td>`)}</tr>`)}</tbody></table></div>
    ${entries?.length === 0 && html`<p class="empty">Nothing like this is on record.</p>`}
    ${more && html`<button onClick=${() => load(entries.at(-1).id)}>Older ones</button>`}`;
}
