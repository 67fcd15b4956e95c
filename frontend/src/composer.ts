// The composer: counts characters, uploads pictures with progress and a description each, keeps a draft.
// Without this file the same form has plain file fields and the server counts.
import htmx from "htmx.org";
import { say } from "./say";

const MOST_FILES = 4;

export function startComposers(): void {
  document.querySelectorAll<HTMLFormElement>("form.composer").forEach((form) => new Composer(form));
}

class Composer {
  private readonly text: HTMLTextAreaElement;
  private readonly warning: HTMLInputElement | null;
  private readonly counter: HTMLElement | null;
  private readonly picker: HTMLInputElement | null;
  private readonly attachments: HTMLElement | null;
  private readonly limit: number;
  private uploading = 0;
  private sent = new Map<Element, string>();

  constructor(private readonly form: HTMLFormElement) {
    this.text = form.querySelector<HTMLTextAreaElement>("textarea[name=text]")!;
    this.warning = form.querySelector<HTMLInputElement>("input[name=spoiler_text]");
    this.counter = form.querySelector<HTMLElement>(".counter");
    this.picker = form.querySelector<HTMLInputElement>("input.picker");
    this.attachments = form.querySelector<HTMLElement>(".attachments");
    this.limit = Number(form.dataset.limit ?? "1000");
    form.addEventListener("input", () => this.count());
    form.addEventListener("submit", (event) => this.guard(event), true);
    form.addEventListener("htmx:beforeRequest", (event) => {
      if (event.target === form) this.sent = this.states();
    });
    form.addEventListener("htmx:afterRequest", (event) => this.afterPost(event as CustomEvent));
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.listenForFiles();
    this.count();
  }

  private listenForFiles(): void {
    this.picker?.addEventListener("change", () => {
      this.upload(this.picker?.files);
      if (this.picker) this.picker.value = "";
    });
    this.form.addEventListener("paste", (event) => this.upload(event.clipboardData?.files));
    this.form.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.form.classList.add("dropping");
    });
    this.form.addEventListener("dragleave", () => this.form.classList.remove("dropping"));
    this.form.addEventListener("drop", (event) => {
      event.preventDefault();
      this.form.classList.remove("dropping");
      this.upload(event.dataTransfer?.files);
    });
    this.attachments?.addEventListener("click", (event) => {
      const remove = event.target instanceof Element ? event.target.closest("[data-remove]") : null;
      remove?.closest(".attachment")?.remove();
    });
  }

  private count(): void {
    const used = countCharacters(this.text.value) + countCharacters(this.warning?.value ?? "");
    const left = this.limit - used;
    if (!this.counter) return;
    this.counter.textContent = String(left);
    this.counter.classList.toggle("over", left < 0);
    if (left === 20 || left === 0 || left === -1) say(`${left} characters left.`);
  }

  private guard(event: Event): void {
    if (this.uploading === 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    say("A file is still being uploaded. Post when it is done.", true);
  }

  // What the answer to a post finds on the page: the form as it was sent, and perhaps words that were written since
  // (the post itself can arrive live before its own answer). Only what was sent is cleared.
  private afterPost(event: CustomEvent): void {
    if (event.target !== this.form || !event.detail.successful) return;
    const newer = [...this.states()].filter(([part, state]) => this.sent.get(part) !== state);
    this.form.reset();
    for (const [part, state] of newer) setState(part, state);
    const kept = newer.map(([part]) => part);
    this.attachments?.querySelectorAll(".attachment").forEach((row) => this.sent.has(row) && row.remove());
    this.form.querySelectorAll<HTMLDetailsElement>("details[open]").forEach((part) => {
      if (!kept.some((one) => part.contains(one))) part.open = false;
    });
    this.form.querySelector(".problem")?.remove();
    const key = this.form.querySelector<HTMLInputElement>("input[name=idempotency_key]");
    if (key) key.defaultValue = key.value = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    this.count();
    document.querySelector("#timeline > .empty")?.remove();
    say("Posted.", true);
  }

  private states(): Map<Element, string> {
    const parts = this.form.querySelectorAll("textarea, select, input:not([type=hidden], [type=file]), details, .attachment");
    return new Map([...parts].map((part) => [part, stateOf(part)]));
  }

  private upload(files: FileList | null | undefined): void {
    for (const file of files ?? []) {
      if ((this.attachments?.children.length ?? 0) >= MOST_FILES) {
        say(`A post can carry ${MOST_FILES} files.`, true);
        return;
      }
      this.uploadOne(file);
    }
  }

  // fetch() cannot tell how much of a body has been sent, so this is an XMLHttpRequest.
  private uploadOne(file: File): void {
    const row = document.createElement("div");
    row.className = "attachment";
    row.innerHTML = '<div class="thumb" aria-hidden="true"></div><div><p></p><progress max="1" value="0"></progress></div>';
    row.querySelector("p")!.textContent = file.name;
    const bar = row.querySelector("progress")!;
    bar.setAttribute("aria-label", `Uploading ${file.name}`);
    this.attachments?.append(row);

    const body = new FormData();
    body.append("csrf", this.form.querySelector<HTMLInputElement>("input[name=csrf]")?.value ?? "");
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", "/compose/media");
    request.setRequestHeader("HX-Request", "true");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) bar.value = event.loaded / event.total;
      if (event.loaded === event.total) bar.removeAttribute("value");
    });
    request.addEventListener("loadend", () => {
      this.uploading -= 1;
      if (request.status === 200) {
        row.outerHTML = request.responseText;
        const rows = this.attachments?.querySelectorAll<HTMLElement>(".attachment");
        const added = rows?.[rows.length - 1];
        if (added) htmx.process(added);
        say(`${file.name} is ready. You can describe it now.`);
        return;
      }
      row.remove();
      say(problemIn(request) || `${file.name} could not be uploaded. Try again.`, true);
    });
    this.uploading += 1;
    request.send(body);
  }
}

function stateOf(part: Element): string {
  if (part instanceof HTMLDetailsElement) return String(part.open);
  if (part instanceof HTMLInputElement && (part.type === "checkbox" || part.type === "radio")) return String(part.checked);
  const holdsText = part instanceof HTMLInputElement || part instanceof HTMLTextAreaElement;
  return holdsText || part instanceof HTMLSelectElement ? part.value : "";
}

function setState(part: Element, state: string): void {
  if (part instanceof HTMLInputElement && (part.type === "checkbox" || part.type === "radio")) {
    part.checked = state === "true";
  } else if (part instanceof HTMLInputElement || part instanceof HTMLTextAreaElement || part instanceof HTMLSelectElement) {
    part.value = state;
  }
}

function problemIn(request: XMLHttpRequest): string {
  const template = document.createElement("template");
  template.innerHTML = request.responseText;
  return template.content.textContent?.trim().slice(0, 300) ?? "";
}

// The server counts code points, each link as 23 and a remote mention by its local part.
function countCharacters(text: string): number {
  const shortened = text
    .replace(/https?:\/\/\S+/g, "x".repeat(23))
    .replace(/(^|[^\w/])@(\w+)@[\w.-]+\w/g, "$1@$2");
  return [...shortened].length;
}
