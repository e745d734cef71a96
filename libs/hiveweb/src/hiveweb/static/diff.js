// What a call of Edit, Write or NotebookEdit changes, as a coloured difference.
import { html, useState } from "./vendor/preact.js";
import { structuredPatch } from "./vendor/diff.js";
import { plain } from "./format.js";

const CONTEXT_LINES = 3;
const SHOWN_LINES = 200;
const SLOWEST_MS = 150; // then all of the old is shown as gone and all of the new as added
const SIGNS = { "+": "added", "-": "removed" };

const text = (value) => (typeof value === "string" ? value : "");
const edit = (one) => ({ before: text(one?.old_string), after: text(one?.new_string) });

/** What a tool call changes: `{file, note, parts: [{before, after}]}`, null when it edits nothing. */
export function editOf(tool, input) {
  if (!input || typeof input !== "object") return null;
  switch (tool) {
    case "Edit":
      return { file: text(input.file_path), note: input.replace_all === true ? "everywhere" : "", parts: [edit(input)] };
    case "MultiEdit":
      return { file: text(input.file_path), note: "", parts: Array.isArray(input.edits) ? input.edits.map(edit) : [] };
    case "Write":
      return { file: text(input.file_path), note: "written whole", parts: [{ before: "", after: text(input.content) }] };
    case "NotebookEdit":
      return { file: text(input.notebook_path), note: `cell ${text(input.cell_id) || "new"}${text(input.edit_mode) && `, ${input.edit_mode}`}`,
        parts: [{ before: "", after: text(input.new_source) }] };
    default:
      return null;
  }
}

/** The lines of one part: `{sign, text}`; a `sign` of "" stands between stretches that are apart. */
export function linesOf({ before, after }) {
  const patch = structuredPatch("", "", before, after, "", "", { context: CONTEXT_LINES, timeout: SLOWEST_MS });
  if (!patch) return [...whole("-", before), ...whole("+", after)];
  return patch.hunks.flatMap((hunk, n) => [
    ...(n ? [{ sign: "", text: "⋯" }] : []),
    ...hunk.lines.filter((line) => line[0] !== "\\").map((line) => ({ sign: line[0], text: line.slice(1) })),
  ]);
}

const whole = (sign, lines) => (lines ? lines.replace(/\n$/, "").split("\n").map((line) => ({ sign, text: line })) : []);
const counted = (lines, sign) => lines.filter((line) => line.sign === sign).length;

export function Diff({ edit: { file, note, parts } }) {
  const [all, setAll] = useState(false);
  const lines = parts.flatMap((part, n) => [...(n ? [{ sign: "", text: "⋯" }] : []), ...linesOf(part)]);
  const shown = all ? lines : lines.slice(0, SHOWN_LINES);
  return html`<figure class="diff">
    <figcaption class="label"><code><bdi>${plain(file)}</bdi></code> <span class="good">+${counted(lines, "+")}</span> <span class="bad">−${counted(lines, "-")}</span>
      ${note && html`<span class="dim"><bdi>${plain(note)}</bdi></span>`}</figcaption>
    <div class="lines mono" tabindex="0" role="group" aria-label="difference" dir="ltr">${shown.map((line) => html`
      <div class=${SIGNS[line.sign] ?? (line.sign ? "same" : "apart")}><span class="sign">${line.sign === "-" ? "−" : line.sign || " "}</span>${plain(line.text) || " "}</div>`)}</div>
    ${shown.length < lines.length && html`<button class="link" onClick=${() => setAll(true)}>show all ${lines.length} lines</button>`}
  </figure>`;
}
