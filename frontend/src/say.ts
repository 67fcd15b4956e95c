// Says something to a screen reader, and to the eye when `visible`, without moving the focus.
export function say(text: string, visible = false): void {
  const live = document.getElementById("live-region");
  if (live) live.textContent = text;
  if (!visible) return;
  const toasts = document.getElementById("toasts");
  const line = document.createElement("p");
  line.textContent = text;
  toasts?.append(line);
}
