// Questions of agents to the operators: the first answer stands.
import { html, useState } from "../hiveweb/vendor/preact.js";
import { absolute, plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { LongText } from "../hiveweb/long-text.js";
import { act } from "./acts.js";
import { Refusal } from "./agents.js";
import { reachable } from "./store.js";

export function QuestionCard({ question }) {
  const [text, setText] = useState("");
  const [doing, setDoing] = useState(false);
  const [error, setError] = useState(null);
  const off = doing || !reachable("approvals");
  async function answer(words) {
    setDoing(true);
    setError(null);
    try {
      await act("answer", { id: question.id, answer: words });
    } catch (refused) {
      setError(refused);
    }
    setDoing(false);
  }
  return html`<article class="card question" data-question=${question.id} aria-label=${`question ${question.id}`}>
    <div class="label"><a href=${`#/agents/${question.asker}`}><b>${question.asker}</b></a> asks
      <time class="dim" datetime=${question.asked_at} title=${absolute(question.asked_at)}>${relative(question.asked_at)}</time>
      ${question.deadline && html`<span class="tag warn"><${Icon} name="clock" />until ${absolute(question.deadline)}</span>`}</div>
    <blockquote><${LongText} text=${question.text} /></blockquote>
    <${Refusal} error=${error} />
    ${question.options.length > 0 && html`<div class="buttons">${question.options.map((option) => html`<button disabled=${off} onClick=${() => answer(option)}><bdi>${plain(option)}</bdi></button>`)}</div>`}
    <form onSubmit=${(event) => { event.preventDefault(); answer(text); }}>
      <label>Answer <textarea value=${text} maxlength="8000" required onInput=${(event) => setText(event.target.value)}></textarea></label>
      <div class="buttons"><button class="primary" disabled=${off || !text.trim()}><${Icon} name="check" /> ${doing ? "Answering…" : "Answer"}</button></div></form>
  </article>`;
}
