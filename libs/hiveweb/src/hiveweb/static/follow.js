// Reading something that grows: at its end the page follows, elsewhere it keeps its place, whatever
// is added above or below. Nothing is drawn that is far away.
import { useEffect, useRef, useState } from "./vendor/preact.js";

const NEAR_END = 120; // px: nearer to the end than this, the page follows
const NEAR_START = 600; // px: nearer to the start than this, more is shown
const SHOWN = 60; // blocks at the end; more are shown to whoever scrolls up
const MORE = 40;
const ANCHORS = 3;

/**
 * Follow the end of `blocks` (each has a `key`) in `scroller()`, whose `[role=log]` holds their elements.
 *
 * `onStart()` is called near the start of the first block, when there is more to be had.
 * Returns `{shown, atEnd, toEnd, leaveEnd}`: the blocks to draw, whether the page follows, and how to begin and end that.
 */
export function useFollow(blocks, scroller, onStart) {
  const [atEnd, setAtEnd] = useState(true);
  const [firstKey, setFirstKey] = useState(null);
  const state = useRef({}).current;
  const found = firstKey === null ? -1 : blocks.findIndex((block) => block.key === firstKey);
  const first = atEnd || found < 0 ? Math.max(0, blocks.length - SHOWN) : found;
  Object.assign(state, { blocks, first, onStart, following: atEnd });

  const toEnd = () => {
    state.following = true;
    setFirstKey(null);
    setAtEnd(true);
    const box = scroller();
    box.scrollTop = box.scrollHeight;
  };
  const leaveEnd = () => {
    if (!state.following) return;
    state.following = false;
    state.place = placeOf(scroller());
    setFirstKey(state.blocks[state.first]?.key ?? null);
    setAtEnd(false);
  };
  useEffect(() => {
    const box = scroller();
    const root = box === document.scrollingElement;
    let before = box.scrollTop;
    const onScroll = () => {
      const { scrollTop } = box;
      if (fromEnd(box) < NEAR_END) {
        if (!state.following) toEnd();
      } else if (scrollTop < before - 2) leaveEnd(); // only a scroll upwards leaves the end: content that grows below does not
      before = scrollTop;
      state.place = placeOf(box);
      mindStart();
    };
    const mindStart = () => {
      if (box.scrollTop >= NEAR_START || state.following) return;
      if (state.first > 0) setFirstKey(state.blocks[Math.max(0, state.first - MORE)].key);
      else state.onStart?.();
    };
    const grown = new ResizeObserver(() => {
      if (state.following) box.scrollTop = box.scrollHeight;
      else keepPlace(box, state.place);
      before = box.scrollTop;
      if (!state.following && fromEnd(box) < NEAR_END) toEnd();
      mindStart(); // whoever is at the very top scrolls no further
    });
    // What is unfolded is to be read from its beginning.
    const onClick = (event) => { if (event.target.closest?.("[role=log] summary")) leaveEnd(); };
    grown.observe(logOf(box));
    grown.observe(root ? document.body : box);
    const target = root ? window : box;
    target.addEventListener("scroll", onScroll, { passive: true });
    box.addEventListener("click", onClick);
    return () => {
      grown.disconnect();
      target.removeEventListener("scroll", onScroll);
      box.removeEventListener("click", onClick);
    };
  }, []);
  return { shown: blocks.slice(first), atEnd, toEnd, leaveEnd };
}

const fromEnd = (box) => box.scrollHeight - box.clientHeight - box.scrollTop;
const logOf = (box) => box.querySelector("[role=log]");

/** The first blocks in view, and how far from the top they are: one whose beginning comes later is drawn anew. */
function placeOf(box) {
  const edge = Math.max(0, box.getBoundingClientRect().top);
  const elements = [...(logOf(box)?.children ?? [])];
  const first = elements.findIndex((element) => element.getBoundingClientRect().bottom > edge);
  return first < 0 ? [] : elements.slice(first, first + ANCHORS).map((element) => ({ element, top: element.getBoundingClientRect().top }));
}

function keepPlace(box, place) {
  const anchor = place?.find(({ element }) => element.isConnected);
  const moved = anchor ? anchor.element.getBoundingClientRect().top - anchor.top : 0;
  if (Math.abs(moved) > 1) box.scrollTop += moved;
}
