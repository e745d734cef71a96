// What a terminal would show in colours: the sixteen named ones, as classes that fit light and dark.
import { html } from "./vendor/preact.js";
import { pieces } from "./vendor/ansi.js";
import { plain } from "./format.js";

const MOST_SEQUENCES = 500; // beyond, the reader would take too long
const SEQUENCE = /\u001b\[[\d;]*m/g;
const NAMED = /^ansi-(?:bright-)?(?:black|red|green|yellow|blue|magenta|cyan|white)$/;
const DECORATIONS = new Set(["bold", "dim", "italic", "underline", "strikethrough"]);

/** Nodes for `text`: every other control character is shown as what it is. */
export function inColours(text) {
  const sequences = text.match(SEQUENCE)?.length ?? 0;
  if (!sequences || sequences > MOST_SEQUENCES) return plain(text);
  return pieces(text).map((piece) => {
    const names = [
      NAMED.test(piece.fg) && piece.fg, NAMED.test(piece.bg) && `${piece.bg}-bg`,
      ...(piece.decorations ?? []).filter((one) => DECORATIONS.has(one)).map((one) => `ansi-${one}`),
    ].filter(Boolean);
    const shown = plain(piece.content);
    return names.length ? html`<span class=${names.join(" ")}>${shown}</span>` : shown;
  });
}
