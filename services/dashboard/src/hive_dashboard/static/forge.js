// What an agent has open on the forge: a line with two numbers, and behind it the list.
import { html, useEffect, useState } from "../hiveweb/vendor/preact.js";
import { call } from "../hiveweb/auth.js";
import { plain } from "../hiveweb/format.js";

const AGAIN_MS = 60_000;
const SOON_MS = 5_000; // nobody could say

/** A link only where it leads to a page: the address is the forge's word, not ours. */
function Title({ item }) {
  const name = html`<bdi>${plain(`${item.repo}#${item.number}`)}</bdi>`;
  return /^https?:\/\//.test(item.url)
    ? html`<a href=${item.url} target="_blank" rel="noopener noreferrer">${name}</a>` : name;
}

const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export function ForgeWork({ name }) {
  const [view, setView] = useState(null);
  useEffect(() => {
    let current = true;
    let timer;
    const show = (found) => {
      if (!current) return;
      setView(found);
      timer = setTimeout(ask, !found || found.trouble ? SOON_MS : AGAIN_MS);
    };
    const ask = () => call("POST", `/api/agents/${name}/forge`).then(show, () => show(null));
    setView(null);
    ask();
    return () => { current = false; clearTimeout(timer); };
  }, [name]);
  if (!view?.there) return null;
  if (view.trouble) return html`<p class="dim forge">Forge: <bdi>${plain(view.trouble)}</bdi></p>`;
  return html`<details class="jobs forge"><summary>Forge: ${many(view.issues, "open issue")}, ${many(view.pulls, "pull request")}</summary>
    <ul>${view.items.map((item) => html`<li key=${item.repo + item.number}><${Title} item=${item} /> <bdi>${plain(item.title)}</bdi>
      <span class="dim"> ${item.pull ? "pull request" : "issue"}, ${plain(item.role)}</span></li>`)}</ul>
  </details>`;
}
