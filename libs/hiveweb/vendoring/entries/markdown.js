// What the pages import from vendor/markdown.js: the reader alone. It makes no markup; markdown.js of ours makes nodes.
export { Lexer } from "marked";
