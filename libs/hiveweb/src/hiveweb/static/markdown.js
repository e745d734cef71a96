// Markdown that a model wrote, as nodes. No markup is made: the reader gives tokens, and what is not
// on the list below (HTML, pictures, addresses that lead elsewhere than to a page) stays text.
import { html } from "./vendor/preact.js";
import { Lexer } from "./vendor/markdown.js";
import { plain } from "./format.js";

const LONGEST = 30_000;
const LONGEST_PARAGRAPH = 2000; // the reader's time grows with the square
const DEEPEST = 10;
const NESTED = new RegExp(`^(?:[ \\t]*(?:>|[-*+]|\\d+[.)])){${DEEPEST + 1}}`, "m");
const ADDRESS = /^(?:https?:\/\/[^\s/]|mailto:[^\s@]+@)/i;
const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&#39;": "'" };

/** Nodes for `text`; text as it is where it is too long or too deep to be read. */
export function inMarkdown(text) {
  const shown = plain(text);
  if (shown.length > LONGEST || NESTED.test(shown)) return html`<p class="as-is">${shown}</p>`;
  try {
    return read(shown).map((token) => block(token, 0));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // nested in a way that was not foreseen
    return html`<p class="as-is">${shown}</p>`;
  }
}

function read(text) {
  const lexer = new Lexer({ gfm: true });
  lexer.blockTokens(text, lexer.tokens);
  for (let n = 0; n < lexer.inlineQueue.length; n += 1) {
    const { src, tokens } = lexer.inlineQueue[n];
    if (src.length > LONGEST_PARAGRAPH) tokens.push({ type: "text", raw: src, text: src });
    else lexer.inlineTokens(src, tokens);
  }
  return lexer.tokens;
}

const words = (text) => text.replace(/&(?:lt|gt|amp|quot|#39);/g, (entity) => ENTITIES[entity]);
const blocks = (tokens, depth) => (tokens ?? []).map((token) => block(token, depth + 1));
const inlines = (tokens) => (tokens ?? []).map(inline);

function block(token, depth) {
  if (depth > DEEPEST) return html`<p class="as-is">${token.raw}</p>`;
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      // No heading of the page: what an agent writes has no place in its outline.
      return html`<p class=${`heading h${token.depth}`}>${inlines(token.tokens)}</p>`;
    case "code":
      return html`<pre class="mono" tabindex="0" dir="ltr"><code>${token.text}</code></pre>`;
    case "blockquote":
      return html`<blockquote>${blocks(token.tokens, depth)}</blockquote>`;
    case "hr":
      return html`<hr />`;
    case "list":
      return list(token, depth);
    case "table":
      return table(token);
    case "paragraph":
      return html`<p>${inlines(token.tokens)}</p>`;
    case "text":
      return html`<span>${token.tokens ? inlines(token.tokens) : words(token.text)}</span>`;
    case "checkbox":
      return null; // the item shows it
    default:
      return html`<p class="as-is">${token.raw}</p>`;
  }
}

function list({ ordered, start, items }, depth) {
  const parts = items.map((item) => html`<li class=${item.task ? "task" : null}>
    ${item.task && html`<span aria-label=${item.checked ? "done" : "to do"}>${item.checked ? "☑" : "☐"} </span>`}${blocks(item.tokens, depth)}</li>`);
  return ordered ? html`<ol start=${Number(start) || 1}>${parts}</ol>` : html`<ul>${parts}</ul>`;
}

function table({ header, rows, align }) {
  const side = (column) => (align[column] === "right" ? "right" : null);
  return html`<div class="table" tabindex="0" role="group" aria-label="table"><table>
    <thead><tr>${header.map((cell, n) => html`<th scope="col" class=${side(n)}>${inlines(cell.tokens)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, n) => html`<td class=${side(n)}>${inlines(cell.tokens)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

function inline(token) {
  switch (token.type) {
    case "strong":
      return html`<strong>${inlines(token.tokens)}</strong>`;
    case "em":
      return html`<em>${inlines(token.tokens)}</em>`;
    case "del":
      return html`<del>${inlines(token.tokens)}</del>`;
    case "codespan":
      return html`<code>${words(token.text)}</code>`;
    case "br":
      return html`<br />`;
    case "link":
      return link(token);
    case "text":
    case "escape":
      return token.tokens ? inlines(token.tokens) : words(token.text);
    case "checkbox":
      return null;
    default:
      return token.raw; // HTML and pictures: a picture would tell its server who looks
  }
}

/** A link says where it leads, whatever its text claims. */
function link({ href, text, tokens, raw }) {
  if (!ADDRESS.test(href)) return raw;
  let host;
  try {
    host = new URL(href).host;
  } catch {
    return raw;
  }
  return html`<a href=${href} title=${href} target="_blank" rel="noopener noreferrer">${inlines(tokens)}</a>${
    host && !text.includes(host) && html`<span class="dim"> (${host})</span>`}`;
}
