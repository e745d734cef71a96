// What the pages import from vendor/preact.js: one copy of each library, one file.
import { h } from "preact";
import htm from "htm";
export { Component, Fragment, createRef, h, render } from "preact";
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect } from "@preact/signals";
export const html = htm.bind(h);
