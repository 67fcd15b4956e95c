// Proof of work for forms that need no account: the browser works for a second or two instead of its reader.
export function startProof(): void {
  document.querySelectorAll<HTMLFormElement>("form[data-challenge]").forEach(prove);
}

function prove(form: HTMLFormElement): void {
  const field = form.elements.namedItem("proof");
  const status = form.querySelector<HTMLElement>("[data-proof-status]");
  const say = (text: string) => {
    if (status) status.textContent = text;
  };
  if (!(field instanceof HTMLInputElement)) return;
  if (!globalThis.crypto?.subtle) {
    say("This browser cannot do the proof of work over an insecure connection. Please write us a mail instead.");
    return;
  }
  let wanted = false;
  const worker = new Worker(new URL("./proof-worker.ts", import.meta.url), { type: "module" });
  worker.addEventListener("message", (event: MessageEvent<string>) => {
    worker.terminate();
    field.value = event.data;
    say(event.data ? "Ready to be sent." : "The proof of work failed. Load the page again, or write us a mail.");
    if (wanted && event.data) form.requestSubmit();
  });
  worker.addEventListener("error", () => say("The proof of work failed. Load the page again, or write us a mail."));
  form.addEventListener("submit", (event) => {
    if (field.value) return;
    event.preventDefault();
    wanted = true;
    say("One moment: it is sent as soon as the proof of work is done.");
  });
  say("Your browser is doing a small proof of work, in place of a captcha.");
  worker.postMessage(JSON.parse(form.dataset.challenge ?? "{}"));
}
