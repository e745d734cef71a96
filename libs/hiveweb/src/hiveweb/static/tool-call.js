// A tool call and its result in one folded row: what it is, how long it took, whether it worked.
import { html, useState } from "./vendor/preact.js";
import { inColours } from "./ansi.js";
import { Diff, editOf } from "./diff.js";
import { bytes, now, plain, span } from "./format.js";
import { Icon } from "./icon.js";
import { LongText } from "./long-text.js";

const LONGEST_SUMMARY = 140;
const TELLING = ["command", "file_path", "notebook_path", "path", "pattern", "query", "url", "question", "body", "description", "prompt", "text"];
const ICONS = {
  Bash: "terminal", Edit: "file-pen", MultiEdit: "file-pen", Write: "file-pen", NotebookEdit: "file-pen",
  mcp__hive__send: "send", mcp__hive__reply: "send", mcp__hive__ask: "circle-question-mark", mcp__hive__recv: "inbox", mcp__hive__remind: "clock",
};

/** `mcp__hive__send` is "hive · send". */
export const toolName = (name) => plain(name).replace(/^mcp__(.+?)__/, "$1 · ");

/** A one-line account of a tool's input. */
export function summary(input) {
  const key = TELLING.find((one) => typeof input?.[one] === "string");
  const to = key === "body" && typeof input.to === "string" ? `to ${input.to}: ` : "";
  const text = plain(to + (key ? input[key] : brief(input))).replace(/\s+/g, " ").trim();
  return text.length > LONGEST_SUMMARY ? `${text.slice(0, LONGEST_SUMMARY)}…` : text;
}

const brief = (input) => {
  const written = JSON.stringify(input ?? {});
  return written === "{}" ? "" : written;
};

/** Time that goes on. */
export const Elapsed = ({ from }) => span(now.value - Date.parse(from));

/** "running", "failed", "cut off" or "done". */
export const stateOf = ({ result }, live) => (!result ? (live ? "running" : "cut off") : result.is_error ? "failed" : "done");

function Took({ item, state }) {
  if (state === "running") return html`<span class="took"><${Elapsed} from=${item.at} /></span>`;
  const took = item.answeredAt && Date.parse(item.answeredAt) - Date.parse(item.at);
  return took >= 0 && html`<span class="took dim">${took < 1000 ? `${took} ms` : span(took)}</span>`;
}

function Input({ tool, input }) {
  const edit = editOf(tool, input);
  if (edit) return html`<${Diff} edit=${edit} />`;
  if (tool === "Bash" && typeof input?.command === "string") return html`<${LongText} class="mono" text=${`$ ${input.command}`} />`;
  const written = JSON.stringify(input ?? {}, null, 2);
  return written !== "{}" && html`<${LongText} class="mono" text=${written} />`;
}

function Output({ tool, result }) {
  const draw = tool === "Bash" ? inColours : plain;
  return html`<div class="dim label">result${result.is_error ? " (error)" : ""}</div>
    ${result.text ? html`<${LongText} class=${`mono${result.is_error ? " bad" : ""}`} draw=${draw} text=${result.text} />` : html`<div class="dim">nothing</div>`}
    ${result.omitted_bytes > 0 && html`<div class="dim">${bytes(result.omitted_bytes)} not shown</div>`}`;
}

/** `item` holds the call's event and, once it is there, its result. */
export function ToolCall({ item, live }) {
  const { body, result } = item;
  const [open, setOpen] = useState(false);
  const state = stateOf(item, live);
  const icon = state === "running" ? "loader" : state === "failed" ? "circle-x" : state === "cut off" ? "circle-dashed" : ICONS[body.tool] ?? "wrench";
  return html`<details class=${`tool ${state === "failed" ? "failed" : ""}`} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary><${Icon} name=${icon} spin=${state === "running"} />
      <b><bdi>${toolName(body.tool)}</bdi></b> <code class="summary"><bdi>${summary(body.input)}</bdi></code>
      ${state !== "done" && html`<span class=${state === "failed" ? "bad" : "dim"}> ${state}</span>`}<${Took} item=${item} state=${state} /></summary>
    ${open && html`<${Input} tool=${body.tool} input=${body.input} />${result && html`<${Output} tool=${body.tool} result=${result} />`}`}
  </details>`;
}
