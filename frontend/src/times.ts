// Keeps "5m" true while a page stays open. The server has written the first value.
export function startTimes(): void {
  window.setInterval(() => {
    document.querySelectorAll<HTMLTimeElement>("time[data-relative]").forEach((time) => {
      time.textContent = relative(new Date(time.dateTime), new Date());
    });
  }, 60_000);
}

export function relative(then: Date, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - then.getTime()) / 1000);
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)}d`;
  const sameYear = then.getFullYear() === now.getFullYear();
  return then.toLocaleDateString(document.documentElement.lang, {
    day: "numeric",
    month: "short",
    year: sameYear ? undefined : "numeric",
  });
}
