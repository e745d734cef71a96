// The first page: what waits for a human, before everything else.
import { html } from "../hiveweb/vendor/preact.js";
import { absolute, plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { LongText } from "../hiveweb/long-text.js";
import { ApprovalCard } from "./approvals.js";
import { QuestionCard } from "./questions.js";
import { AgentRow, SpawnButton } from "./agents.js";
import { JobLine } from "./notices.js";
import { NotifyMe } from "./notify.js";
import { agents, attention, failures, forgetFailure, markSeen, messages, pending, questions, troubleOf, troubled, unseen } from "./store.js";

function Trouble({ row }) {
  const { kind, text } = troubleOf(row);
  return html`<article class="card trouble">
    <h3><${Icon} name=${row.harness.needs_login ? "key-round" : "triangle-alert"} /> <a href=${`#/agents/${row.name}`}>${row.name}</a>: ${plain(kind)}</h3>
    <${LongText} text=${text} />
    ${row.harness.needs_login && html`<div><a class="button" href=${`#/agents/${row.name}`}><${Icon} name="key-round" /> Log ${row.name} in</a></div>`}
  </article>`;
}

export function Message({ item }) {
  const fresh = unseen.value.includes(item);
  return html`<article class=${fresh ? "card letter fresh" : "card letter"}>
    <div class="label"><${Icon} name="mail" /> <a href=${`#/agents/${item.sender}`}><b>${item.sender}</b></a>
      <time class="dim" datetime=${item.at} title=${absolute(item.at)}>${relative(item.at)}</time>
      ${fresh && html`<span class="tag accent">new</span>`}</div>
    <${LongText} text=${item.message.body} />
    <div><a class="button" href=${`#/agents/${item.sender}`}><${Icon} name="message-square" /> Open ${item.sender}</a></div>
  </article>`;
}

export function AttentionPage() {
  const letters = messages.value.slice(-20).reverse();
  const working = (agents.value ?? []).filter((row) => row.harness.activity === "working" && row.state === "running");
  return html`
    <div class="head"><h1>${attention.value ? "Waiting for you" : "Nothing waits for you"}</h1><${NotifyMe} /><${SpawnButton} /></div>
    ${attention.value === 0 && agents.value && html`<p class="dim">${agents.value.length === 0
      ? "There are no agents yet: spawn one."
      : `${agents.value.length} agent${agents.value.length === 1 ? "" : "s"}, ${working.length} at work.`}</p>`}
    ${pending.value.length > 0 && html`<section aria-label="approvals"><h2>Approvals</h2>
      ${pending.value.map((one) => html`<${ApprovalCard} key=${one.id} approval=${one} />`)}</section>`}
    ${questions.value?.size > 0 && html`<section aria-label="questions"><h2>Questions</h2>
      ${[...questions.value.values()].sort((a, b) => a.id - b.id).map((one) => html`<${QuestionCard} key=${one.id} question=${one} />`)}</section>`}
    ${troubled.value.length > 0 && html`<section aria-label="agents in trouble"><h2>Agents in trouble</h2>
      ${troubled.value.map((row) => html`<${Trouble} key=${row.name} row=${row} />`)}</section>`}
    ${failures.value.length > 0 && html`<section aria-label="failed jobs"><h2>Failed</h2>
      ${failures.value.map((job) => html`<article class="card trouble" key=${job.id} data-failed=${job.id}><${JobLine} job=${job} />
        <div class="buttons"><button onClick=${() => forgetFailure(job.id)}><${Icon} name="check" /> I have seen it</button>
          ${job.approval ? html`<a class="button" href=${`#/approvals/${job.approval}`}>Open approval ${job.approval}</a>` : html`<a class="button" href=${`#/agents/${job.agent}`}>Open ${job.agent}</a>`}</div></article>`)}</section>`}
    ${letters.length > 0 && html`<section aria-label="messages"><div class="head"><h2>Messages to you</h2>
      ${unseen.value.length > 0 && html`<button onClick=${markSeen}><${Icon} name="check" /> Mark ${unseen.value.length} as read</button>`}</div>
      ${letters.map((item) => html`<${Message} key=${item.cursor} item=${item} />`)}</section>`}
    ${working.length > 0 && html`<section aria-label="at work"><h2>At work</h2>
      <ul class="roster">${working.map((row) => html`<${AgentRow} key=${row.name} row=${row} />`)}</ul></section>`}`;
}
