// What the pages import from vendor/ansi.js: pieces of text with class names, no markup.
import Anser from "anser";
export const pieces = (text) => Anser.ansiToJson(text, { use_classes: true, remove_empty: true });
