// Tells the server what a page has shown, once somebody looks at it: browsers fetch and even draw pages ahead of time.
// Without this file the same form has a button.
export function startSeen(): void {
  document.querySelectorAll<HTMLFormElement>("form[data-when-seen]").forEach((form) => {
    const send = () => {
      if (document.visibilityState !== "visible" || (document as { prerendering?: boolean }).prerendering) return;
      for (const event of EVENTS) document.removeEventListener(event, send);
      const body = new URLSearchParams(new FormData(form) as unknown as Record<string, string>);
      void fetch(form.action, { method: "POST", body, redirect: "manual", keepalive: true });
      form.remove();
    };
    for (const event of EVENTS) document.addEventListener(event, send);
    send();
  });
}

const EVENTS = ["visibilitychange", "prerenderingchange"];
