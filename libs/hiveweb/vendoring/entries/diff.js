// What the pages import from vendor/diff.js.
export { structuredPatch } from "diff";
