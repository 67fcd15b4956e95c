// Passkeys (WebAuthn). A form says with data-passkey whether it signs in ("get") or adds a key ("create");
// the answer of the authenticator goes back in that form's `credential` field by an ordinary POST.
import { browserSupportsWebAuthn, startAuthentication, startRegistration } from "@simplewebauthn/browser";

export function startPasskeys(): void {
  document.querySelectorAll<HTMLFormElement>("form[data-passkey]").forEach((form) => {
    if (!browserSupportsWebAuthn()) return;
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      const credential = form.elements.namedItem("credential");
      if (!(credential instanceof HTMLInputElement) || credential.value) return;
      event.preventDefault();
      void ask(form, credential);
    });
  });
}

async function ask(form: HTMLFormElement, credential: HTMLInputElement): Promise<void> {
  const problem = form.querySelector<HTMLElement>(".wrong");
  try {
    const answer = await fetch(form.dataset.options ?? "", {
      method: "POST",
      body: new URLSearchParams(new FormData(form) as unknown as Record<string, string>),
      headers: { Accept: "application/json" },
    });
    const { options, handle, error } = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(error ?? "The server refused to begin. Reload the page and try again.");
    const result =
      form.dataset.passkey === "create"
        ? await startRegistration({ optionsJSON: options })
        : await startAuthentication({ optionsJSON: options });
    const handleField = form.elements.namedItem("handle");
    if (handleField instanceof HTMLInputElement) handleField.value = handle ?? "";
    credential.value = JSON.stringify(result);
    form.requestSubmit();
  } catch (error) {
    credential.value = "";
    if (problem) problem.textContent = explain(error);
  }
}

function explain(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") return "That was cancelled or took too long. Try again.";
  if (name === "InvalidStateError") return "This passkey is already on your account.";
  return error instanceof Error ? error.message : "That did not work. Try again.";
}
