// The log tail: history first, then live; follows or pauses and says what was missed.
import { html, signal, useEffect, useRef, useState } from "../hiveweb/vendor/preact.js";
import { clock, plain } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { Steady } from "../hiveweb/steady.js";
import { agents, feed } from "./store.js";

const MAX_LINES = 2000;
const CHUNK = 100; // lines that are laid out and dropped together
const LEVELS = ["debug", "info", "warning", "error"];
const SERVICES = ["lifecycle", "approvals", "dashboard"];
const TYPING_MS = 300;

/** Lines of one filter; while paused, new ones wait and are counted. */
class Tail {
  constructor(filter) {
    this.filter = filter;
    this.chunks = signal([]);
    this.missed = signal(0);
    this.paused = signal(false);
    this.loaded = signal(false);
    this.error = signal(null);
    this.waiting = [];
    this.cursor = 0;
    this.gaps = 0;
  }

  open() {
    return feed.open("logs", () => ({ ...this.filter, after: this.cursor }), (items) => this.#take(items), (error) => { this.error.value = error; });
  }

  #take(items) {
    const lines = [];
    for (const item of items) {
      if (item.caught_up) this.loaded.value = true;
      else if (item.skipped) lines.push({ key: `gap${++this.gaps}`, skipped: item.skipped });
      else if (item.cursor > this.cursor) {
        this.cursor = item.cursor;
        lines.push({ key: item.cursor, ...item });
      }
    }
    if (!lines.length) return;
    if (this.paused.value) {
      this.missed.value += lines.length;
      this.waiting = [...this.waiting, ...lines].slice(-MAX_LINES);
    } else this.#show(lines);
  }

  #show(lines) {
    const chunks = [...this.chunks.peek()];
    for (const line of lines.slice(-MAX_LINES)) {
      const last = chunks[chunks.length - 1];
      if (last && last.lines.length < CHUNK) chunks[chunks.length - 1] = { key: last.key, lines: [...last.lines, line] };
      else chunks.push({ key: line.key, lines: [line] });
    }
    this.chunks.value = chunks.slice(-MAX_LINES / CHUNK - 1);
  }

  get count() { return this.chunks.value.reduce((sum, chunk) => sum + chunk.lines.length, 0); }

  pause() { this.paused.value = true; }

  follow() {
    const dropped = this.missed.value - this.waiting.length;
    const gap = dropped > 0 ? [{ key: `gap${++this.gaps}`, skipped: dropped }] : [];
    this.#show([...gap, ...this.waiting]);
    this.waiting = [];
    this.missed.value = 0;
    this.paused.value = false;
  }
}

const short = (value) => plain(typeof value === "string" ? value : JSON.stringify(value));

class Chunk extends Steady {
  render({ chunk }) { return html`<ul>${chunk.lines.map((line) => html`<${Line} key=${line.key} line=${line} />`)}</ul>`; }
}

class Line extends Steady {
  render({ line }) { return lineView(line); }
}

function lineView(line) {
  if (line.skipped) return html`<li class="gap warn"><${Icon} name="triangle-alert" /> ${line.skipped} lines are not shown here</li>`;
  const fields = Object.entries(line.fields).filter(([key]) => key !== "exception");
  const tone = line.level === "error" || line.level === "critical" ? "bad" : line.level === "warning" ? "warn" : "";
  return html`<li class=${`line ${tone}`} data-cursor=${line.cursor}><details>
    <summary><time class="dim" datetime=${line.at} title=${line.at}>${clock(line.at)}</time>
      <span class="level">${plain(line.level)}</span> <b class="source">${plain(line.source)}</b>
      <bdi class="event">${plain(line.event)}</bdi> <bdi class="dim">${fields.map(([key, value]) => `${plain(key)}=${short(value)}`).join(" ").slice(0, 600)}</bdi></summary>
    <pre>${plain(JSON.stringify(line.fields, null, 2))}</pre></details></li>`;
}

const filterOf = (query) => ({
  sources: query.get("source") ? query.get("source").split(",") : [],
  level: LEVELS.includes(query.get("level")) ? query.get("level") : "info",
  text: query.get("text") ?? "",
});

function setFilter(filter) {
  const query = new URLSearchParams();
  if (filter.sources.length) query.set("source", filter.sources.join(","));
  if (filter.level !== "info") query.set("level", filter.level);
  if (filter.text) query.set("text", filter.text);
  history.replaceState(null, "", `#/logs${query.size ? `?${query}` : ""}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

function Filters({ filter }) {
  const [text, setText] = useState(filter.text);
  const typing = useRef(0);
  const names = [...SERVICES, ...(agents.value ?? []).map((row) => row.name)];
  for (const one of filter.sources) if (!names.includes(one)) names.push(one);
  const write = (value) => {
    setText(value);
    clearTimeout(typing.current);
    typing.current = setTimeout(() => setFilter({ ...filter, text: value }), TYPING_MS);
  };
  return html`<div class="filters">
    <label>Source <select value=${filter.sources[0] ?? ""} onChange=${(event) => setFilter({ ...filter, sources: event.target.value ? [event.target.value] : [] })}>
      <option value="">all</option>${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
    <label>Level <select value=${filter.level} onChange=${(event) => setFilter({ ...filter, level: event.target.value })}>
      ${LEVELS.map((level) => html`<option key=${level} value=${level}>${level}${level === "error" ? "" : " and worse"}</option>`)}</select></label>
    <label class="grow">Contains <input data-filter type="search" maxlength="200" placeholder="text ( / )" value=${text} onInput=${(event) => write(event.target.value)} /></label>
  </div>`;
}

export function LogsPage({ query }) {
  const filter = filterOf(query);
  const same = JSON.stringify(filter);
  const [tail, setTail] = useState(() => new Tail(filter));
  const box = useRef();
  useEffect(() => { if (JSON.stringify(tail.filter) !== same) setTail(new Tail(filter)); }, [same]);
  useEffect(() => tail.open(), [tail]);
  useEffect(() => {
    // In the frame's own time: reading the height right after a change would lay everything out twice.
    const frame = requestAnimationFrame(() => { if (!tail.paused.peek()) box.current.scrollTop = box.current.scrollHeight; });
    return () => cancelAnimationFrame(frame);
  }, [tail.chunks.value, tail]);
  useEffect(() => {
    const onKey = (event) => {
      if (event.key !== " " || event.target.closest("input, textarea, select, button, summary, dialog")) return;
      event.preventDefault();
      tail.paused.value ? tail.follow() : tail.pause();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [tail]);
  const before = useRef({ scrollTop: 0, scrollHeight: 0 });
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const end = scrollHeight - clientHeight - scrollTop < 30;
    // Old lines that are dropped above move the place too: that is no scroll upwards.
    if (!end && scrollTop < before.current.scrollTop - 2 && scrollHeight >= before.current.scrollHeight) tail.pause();
    else if (end && tail.paused.value && !tail.missed.value) tail.follow();
    before.current = { scrollTop, scrollHeight };
  };
  const { paused, missed, chunks, loaded, error } = tail;
  return html`<section class="logs">
    <div class="head"><h1>Logs</h1>
      <button aria-pressed=${paused.value} onClick=${() => (paused.value ? tail.follow() : tail.pause())}>
        ${paused.value ? html`<${Icon} name="play" /> Follow` : html`<${Icon} name="pause" /> Pause`}</button></div>
    <${Filters} filter=${filter} />
    ${error.value && html`<div class="error">${plain(error.value.message)}</div>`}
    <div class="lines" ref=${box} onScroll=${onScroll} tabindex="0" role="log" aria-live="off" aria-label="log lines">
      ${loaded.value && chunks.value.length === 0 && html`<p class="empty">No line matches yet. New ones appear here.</p>`}
      ${chunks.value.map((chunk) => html`<${Chunk} key=${chunk.key} chunk=${chunk} />`)}</div>
    <div class="tail-state" data-missed=${missed.value}>${paused.value
    ? html`<button class="primary" onClick=${() => tail.follow()}><${Icon} name="arrow-down" /> Paused: ${missed.value} new line${missed.value === 1 ? "" : "s"}</button>`
    : html`<span class="dim">${loaded.value ? "following" : "reading"} · ${tail.count} lines</span>`}</div>
  </section>`;
}
