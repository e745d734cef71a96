// Turning values into words. Everything that an agent wrote passes through `plain`.
import { signal } from "./vendor/preact.js";

/** The present, for relative times: moves once a second. */
export const now = signal(Date.now());
setInterval(() => { if (!document.hidden) now.value = Date.now(); }, 1000);

// eslint-disable-next-line no-control-regex
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]*[0-~])/g;
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;
const DIRECTION = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]/g;
const INVISIBLE = /[\u200b-\u200d\u2060\ufeff\u{e0000}-\u{e007f}]/gu;

/**
 * Text that shows what it is: colours of terminals removed, other control characters as ␀ ␁ …,
 * and the characters that turn the direction of writing or are invisible named as ⟨U+202E⟩.
 */
export function plain(text) {
  return String(text ?? "")
    .replace(ANSI, "")
    .replace(/\r\n?/g, "\n")
    .replace(CONTROL, (c) => { const n = c.charCodeAt(0); return n < 32 ? String.fromCharCode(0x2400 + n) : n === 127 ? "␡" : "�"; })
    .replace(DIRECTION, named)
    .replace(INVISIBLE, (c, at, whole) => (c === "\u200d" && isEmojiJoin(whole, at) ? c : named(c)));
}

const named = (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
const isEmojiJoin = (text, at) => /\p{Extended_Pictographic}/u.test(text.slice(at + 1, at + 3));

/** "3 s", "12 min", "5 h", "2 d". */
export function span(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`.replace(" 0 min", "");
  return `${Math.floor(s / 86400)} d`;
}

/** How long ago, or how long until then. */
export function relative(iso, at = now.value) {
  const then = Date.parse(iso);
  if (Number.isNaN(then)) return "";
  return then > at + 1000 ? `in ${span(then - at)}` : `${span(at - then)} ago`;
}

/** "14:03:22", with the date when it is not today. */
export function clock(iso) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "";
  const day = time.toDateString() === new Date().toDateString() ? "" : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} `;
  return `${day}${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
const two = (n) => String(n).padStart(2, "0");

/** The absolute time for a title. */
export const absolute = (iso) => (Number.isNaN(Date.parse(iso)) ? "" : new Date(iso).toLocaleString());

/** "1.2 k", "3.4 M". */
export function count(n) {
  if (n < 1000) return String(n);
  return n < 1e6 ? `${(n / 1e3).toFixed(1)} k` : `${(n / 1e6).toFixed(1)} M`;
}

export const bytes = (n) => (n < 1024 ? `${n} B` : n < 1 << 20 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / (1 << 20)).toFixed(1)} MiB`);
export const dollars = (n) => `$${n.toFixed(n < 0.1 ? 4 : 2)}`;
