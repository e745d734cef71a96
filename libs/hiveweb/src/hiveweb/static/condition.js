// What a page says when it may be out of date.
import { html } from "./vendor/preact.js";
import { now, span } from "./format.js";
import { Icon } from "./icon.js";

/** The banner of a page whose server (`what`) has been away for 2 s, with the age of what it shows. */
export const StaleBanner = ({ feed, what }) => feed.stale.value && html`
  <div class="banner bad" role="status" data-banner="stale"><${Icon} name="loader" spin=${true} /> No connection to ${what}: what you see may be old
    (last update ${span(now.value - feed.heardAt.value)} ago). Trying again…</div>`;
