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
  const [chosen, setChosen] = useState([]);
  const [error, setError] = useState(null);
  const off = doing || !reachable("approvals");
  async function answer(words, choices = []) {
    setDoing(true);
    setError(null);
    try {
      await act("answer", { id: question.id, answer: words, choices });
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
    ${question.options.length > 0 && !question.multiple && html`<div class="buttons">${question.options.map((option) => html`<button disabled=${off} onClick=${() => answer(text, [option])}><bdi>${plain(option)}</bdi></button>`)}</div>`}
    <form onSubmit=${(event) => { event.preventDefault(); answer(text, chosen); }}>
      ${question.multiple && html`<fieldset class="choices"><legend class="dim">Choose any of these</legend>${question.options.map((option) => html`<label>
        <input type="checkbox" checked=${chosen.includes(option)} onChange=${(event) => setChosen(question.options.filter((one) => (one === option ? event.target.checked : chosen.includes(one))))} /> <bdi>${plain(option)}</bdi></label>`)}</fieldset>`}
      <label>${question.options.length > 0 ? "Or in your own words" : "Answer"} <textarea value=${text} maxlength="8000" onInput=${(event) => setText(event.target.value)}></textarea></label>
      <div class="buttons"><button class="primary" disabled=${off || (!text.trim() && !chosen.length)}><${Icon} name="check" /> ${doing ? "Answering…" : "Answer"}</button></div></form>
  </article>`;
}
