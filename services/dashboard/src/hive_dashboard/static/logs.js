// The log tail: history first, then live; follows or pauses and says what was missed.
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../hiveweb/vendor/preact.js";
import { absolute, clock, plain } from "../hiveweb/format.js";
import { Icon } from "../hiveweb/icon.js";
import { agents, feed } from "./store.js";

const MAX_LINES = 2000;
const LEVELS = ["debug", "info", "warning", "error"];
const SERVICES = ["lifecycle", "approvals", "dashboard"];
const TYPING_MS = 300;

/** Lines of one filter; while paused, new ones wait and are counted. */
class Tail {
  constructor(filter) {
    this.filter = filter;
    this.lines = signal([]);
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
    } else this.lines.value = [...this.lines.peek(), ...lines].slice(-MAX_LINES);
  }

  pause() { this.paused.value = true; }

  follow() {
    const dropped = this.missed.value - this.waiting.length;
    const gap = dropped > 0 ? [{ key: `gap${++this.gaps}`, skipped: dropped }] : [];
    this.lines.value = [...this.lines.peek(), ...gap, ...this.waiting].slice(-MAX_LINES);
    this.waiting = [];
    this.missed.value = 0;
    this.paused.value = false;
  }
}

const short = (value) => plain(typeof value === "string" ? value : JSON.stringify(value));

function Line({ line }) {
  if (line.skipped) return html`<li class="gap warn"><${Icon} name="triangle-alert" /> ${line.skipped} lines are not shown here</li>`;
  const fields = Object.entries(line.fields).filter(([key]) => key !== "exception");
  const tone = line.level === "error" || line.level === "critical" ? "bad" : line.level === "warning" ? "warn" : "";
  return html`<li class=${`line ${tone}`} data-cursor=${line.cursor}><details>
    <summary><time class="dim" datetime=${line.at} title=${absolute(line.at)}>${clock(line.at)}</time>
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
  useLayoutEffect(() => { if (!tail.paused.peek()) box.current.scrollTop = box.current.scrollHeight; }, [tail.lines.value, tail]);
  useEffect(() => {
    const onKey = (event) => {
      if (event.key !== " " || event.target.closest("input, textarea, select, button, summary, dialog")) return;
      event.preventDefault();
      tail.paused.value ? tail.follow() : tail.pause();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [tail]);
  const up = useRef(0);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const end = scrollHeight - clientHeight - scrollTop < 30;
    if (!end && scrollTop < up.current - 2) tail.pause();
    else if (end && tail.paused.value && !tail.missed.value) tail.follow();
    up.current = scrollTop;
  };
  const { paused, missed, lines, loaded, error } = tail;
  return html`<section class="logs">
    <div class="head"><h1>Logs</h1>
      <button aria-pressed=${paused.value} onClick=${() => (paused.value ? tail.follow() : tail.pause())}>
        ${paused.value ? html`<${Icon} name="play" /> Follow` : html`<${Icon} name="pause" /> Pause`}</button></div>
    <${Filters} filter=${filter} />
    ${error.value && html`<div class="error">${plain(error.value.message)}</div>`}
    <div class="lines" ref=${box} onScroll=${onScroll} tabindex="0" role="log" aria-live="off" aria-label="log lines">
      ${loaded.value && lines.value.length === 0 && html`<p class="empty">No line matches yet. New ones appear here.</p>`}
      <ul>${lines.value.map((line) => html`<${Line} key=${line.key} line=${line} />`)}</ul></div>
    <div class="tail-state" data-missed=${missed.value}>${paused.value
    ? html`<button class="primary" onClick=${() => tail.follow()}><${Icon} name="arrow-down" /> Paused: ${missed.value} new line${missed.value === 1 ? "" : "s"}</button>`
    : html`<span class="dim">${loaded.value ? "following" : "reading"} · ${lines.value.length} lines</span>`}</div>
  </section>`;
}
