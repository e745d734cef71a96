// How a harness says it is, in a word, an icon and a tone; never by colour alone.

/** `{word, icon, tone}` of a harness's status. */
export function activityOf(status) {
  const as = (word, icon, tone = "") => ({ word, icon, tone });
  if (status.needs_login) return as("needs login", "key-round", "warn");
  if (status.rate_limited) return as("rate limited", "clock", "warn");
  if (status.trouble) return as(status.trouble.replaceAll("_", " "), status.retry_at ? "clock" : "triangle-alert", status.retry_at ? "warn" : "bad");
  switch (status.activity ?? "idle") {
    case "working":
      return as("working", "zap", "accent");
    case "compacting":
      return as("compacting", "archive", "accent");
    case "away":
      return as("silent", "circle-dashed", "warn");
    case "starting":
      return as("starting", "loader");
    default:
      return status.paused ? as("paused", "circle-pause", "warn") : status.activity === "waiting" ? as("waiting", "clock") : as("idle", "circle-check", "good");
  }
}
