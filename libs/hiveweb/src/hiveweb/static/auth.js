// Who this browser is: a token in this origin's own storage, got once for the ticket in the link's
// fragment. No cookies: they do not know ports, and agents serve pages on ports of the same host.
import { signal } from "./vendor/preact.js";

const TOKEN = "hive.token";
const NAME = "hive.name";

/** The name one is logged in as, or null. */
export const user = signal(localStorage.getItem(TOKEN) ? localStorage.getItem(NAME) || "?" : null);

/** An answer that says no: `code`, `message`, `hint`, as on the bus. */
export class Refused extends Error {
  constructor({ code = "failed", message = "it failed", hint = "" } = {}) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

export const token = () => localStorage.getItem(TOKEN);

/** Forget the token; the page then shows how to log in. */
export function logOut() {
  localStorage.removeItem(TOKEN);
  localStorage.removeItem(NAME);
  user.value = null;
}

/** Take the ticket out of the address bar, if there is one, and log in with it; rejects with `Refused`. */
export async function logInFromFragment() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (!ticket) return;
  history.replaceState(null, "", location.pathname + location.search);
  const answer = await call("POST", "/api/login", { ticket });
  localStorage.setItem(TOKEN, answer.token);
  localStorage.setItem(NAME, answer.name);
  user.value = answer.name;
}

/** Ask the server (`extra`: further headers); resolves to the answer, rejects with `Refused`. */
export async function call(method, path, body, extra = {}) {
  const headers = { Accept: "application/json", ...extra };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit", cache: "no-store",
    });
  } catch {
    throw new Refused({ code: "unavailable", message: "the server did not answer", hint: "it may be restarting; try again" });
  }
  const answer = await response.json().catch(() => null);
  if (answer?.ok) return answer;
  const refused = new Refused(answer?.error ?? { message: `the server answered ${response.status}` });
  if (refused.code === "not_logged_in") logOut();
  throw refused;
}

// Another tab that logs in or out takes this one along.
addEventListener("storage", (event) => {
  if (event.key === TOKEN || event.key === null) user.value = token() ? localStorage.getItem(NAME) || "?" : null;
});
