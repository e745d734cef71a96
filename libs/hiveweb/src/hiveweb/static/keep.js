// What outlives a reload, in this browser: as far as it has room, since what it holds is a convenience.

/** Keep `value` (anything JSON can hold) under `key`; null forgets it. */
export function keep(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch {
    localStorage.removeItem(key); // no room: rather nothing than something old
  }
}

/** What was kept under `key`, else `otherwise`. */
export function kept(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}
