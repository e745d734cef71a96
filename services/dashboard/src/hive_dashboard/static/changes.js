// What an approval would change: several files against one of three bases, with what to look at twice.
import { html, useEffect, useState } from "../hiveweb/vendor/preact.js";
import { plain } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { act } from "./acts.js";

const BASES = [["running", "what runs"], ["approved", "the last approved"], ["previous", "the previous request"]];
const TONES = { "+": "added", "-": "removed" };

function File({ file, number, base }) {
  const [whole, setWhole] = useState(null);
  const shown = whole ?? file;
  const load = async () => setWhole((await act("diff", { id: number, base, path: file.path })).files[0] ?? file);
  return html`<details class="file" open data-file=${plain(file.path)}>
    <summary><code><bdi>${plain(file.path)}</bdi></code> <span class="dim">${plain(file.status)}, +${file.added} −${file.removed}</span></summary>
    ${file.binary && html`<p class="warn">No text: it is not shown.</p>`}
    ${shown.omitted && html`<p><button onClick=${load}>Show this long file</button></p>`}
    ${shown.hunks.map((hunk) => html`<pre class="hunk" aria-label=${`from line ${hunk.new_start}`}>${hunk.lines.map((line) =>
      html`<span class=${`line ${TONES[line[0]] ?? ""}`}>${line[0]}${plain(line.slice(1))}</span>`)}</pre>`)}</details>`;
}

/** Loads and shows the difference; \`onShown\` gets its digest, to which the approval is bound. */
export function Changes({ approval, version, onShown }) {
  const [base, setBase] = useState("running");
  const [changes, setChanges] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    let wanted = true;
    onShown(null);
    setError(null);
    act("diff", { id: approval.id, base }).then(
      (found) => { if (wanted) { setChanges(found); onShown(found.digest); } },
      (refused) => { if (wanted) setError(refused); },
    );
    return () => { wanted = false; };
  }, [approval.id, base, version]);
  return html`<section class="changes" aria-label="changes">
    <div class="label"><span class="dim">commit</span> <code>${approval.commit.slice(0, 10)}</code> <bdi>${plain(approval.commit_subject)}</bdi>
      <label>compared with <select value=${base} onChange=${(event) => setBase(event.target.value)}>
        ${BASES.map(([name, words]) => html`<option value=${name}>${words}</option>`)}</select></label></div>
    ${error && html`<p class="bad">${plain(error.message)}</p>`}
    ${!error && changes === null && html`<p class="dim">Loading the difference…</p>`}
    ${changes?.marks.length > 0 && html`<ul class="marks">${changes.marks.map((mark) => html`<li class="tag warn" data-risk=${mark.risk}>
      <${Icon} name="triangle-alert" /><b>${mark.risk.replaceAll("_", " ")}</b> <bdi>${plain(mark.path)}</bdi> <bdi>${plain(mark.text)}</bdi></li>`)}</ul>`}
    ${changes && changes.base_commit === "" && html`<p class="dim">There is nothing yet to compare with: all of it is new.</p>`}
    ${changes?.files.length === 0 && html`<p class="dim">No file differs.</p>`}
    ${changes?.files.map((file) => html`<${File} key=${`${changes.digest}/${file.path}`} file=${file} number=${approval.id} base=${base} />`)}
  </section>`;
}
