// What the agent has open elsewhere: questions, reminders, requests that wait for an operator.
import { html } from "../hiveweb/vendor/preact.js";
import { absolute, plain, relative } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { agent, dashboard, openItems } from "./store.js";

const When = ({ at, word }) => at && html`<time class="dim" datetime=${at} title=${absolute(at)}>${word} ${relative(at)}</time>`;
const cut = (text) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

const Question = ({ one }) => html`<li data-question=${one.id}><div class="label"><${Icon} name="circle-question-mark" />
    ${one.asker === agent ? html`asked <b><bdi>${plain(one.answerer)}</bdi></b>` : html`<b><bdi>${plain(one.asker)}</bdi></b> asks`}
    <${When} at=${one.asked_at} word="" /> <${When} at=${one.deadline} word="until" /></div>
  <bdi class="first-line">${plain(cut(one.text))}</bdi>
  ${one.answerer === "operator" && dashboard && html`<a href=${dashboard.replace(/#.*/, "#/")}>Answer on the dashboard</a>`}</li>`;

const Reminder = ({ one }) => html`<li data-reminder=${one.id}><div class="label"><${Icon} name="clock" /> <${When} at=${one.next_at} word="" />
    ${one.cron && html`<code><bdi>${plain(one.cron)}</bdi></code>`}</div>
  <bdi class="first-line">${plain(cut(one.prompt))}</bdi></li>`;

const Request = ({ one }) => html`<li data-request=${one.id}><div class="label"><${Icon} name="shield-check" /> <b>${plain(one.kind)} <bdi>${plain(one.agent)}</bdi></b> <${When} at=${one.requested_at} word="" /></div>
  <bdi class="first-line">${plain(cut(one.reason ?? ""))}</bdi>
  ${dashboard && html`<a href=${dashboard.replace(/#.*/, "#/approvals")}>Decide on the dashboard</a>`}</li>`;

export function OpenCard() {
  const items = openItems.value;
  const { questions = [], reminders = [], requests = [], incomplete = "" } = items ?? {};
  const count = questions.length + reminders.length + requests.length;
  return html`<section class="card" aria-labelledby="open"><h2 id="open"><${Icon} name="hourglass" /> Open ${count > 0 && html`<span class="tag">${count}</span>`}</h2>
    ${incomplete && html`<p class="warn">Questions, reminders and requests are not known now: <bdi>${plain(incomplete)}</bdi></p>`}
    <ul class="items">
      ${questions.map((one) => html`<${Question} key=${`q${one.id}`} one=${one} />`)}
      ${reminders.map((one) => html`<${Reminder} key=${`s${one.id}`} one=${one} />`)}
      ${requests.map((one) => html`<${Request} key=${`a${one.id}`} one=${one} />`)}</ul>
    ${items && !count && !incomplete && html`<p class="dim">No question, reminder or request is open.</p>`}
  </section>`;
}
