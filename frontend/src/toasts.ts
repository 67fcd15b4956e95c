// Short messages at the foot of the window: they leave after a while, longer ones later.
export function startToasts(): void {
  const toasts = document.getElementById("toasts");
  if (!toasts) return;
  const leave = (node: Node) => {
    if (!(node instanceof HTMLElement)) return;
    window.setTimeout(() => node.remove(), 4000 + 60 * (node.textContent?.length ?? 0));
  };
  toasts.childNodes.forEach(leave);
  new MutationObserver((changes) => {
    for (const change of changes) change.addedNodes.forEach(leave);
  }).observe(toasts, { childList: true });

  document.body.addEventListener("htmx:sendError", () => {
    const line = document.createElement("p");
    line.textContent = "The server did not answer. Check your connection and try again.";
    toasts.append(line);
  });
}
