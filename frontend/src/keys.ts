// Keyboard: j and k move between posts, n writes, ? shows this list. A member can switch the keys off
// (single letters get in the way of speech input), and the choice stays in this browser.
import { say } from "./say";

const OFF = "parley-keys-off";

export function startKeys(): void {
  const dialog = document.getElementById("keys-help");
  const toggle = document.getElementById("keys-on");
  if (toggle instanceof HTMLInputElement) {
    toggle.checked = !isOff();
    toggle.addEventListener("change", () => {
      if (toggle.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "1");
    });
  }
  document.querySelectorAll("[data-opens-keys]").forEach((opener) => {
    opener.addEventListener("click", () => openHelp(dialog));
  });
  document.addEventListener("keydown", (event) => {
    if (isNoKey(event)) return;
    if (event.key === "?") openHelp(dialog);
    else if (document.querySelector(".desk") || !press(event.key)) return; // the desk has keys of its own: desk.ts
    event.preventDefault();
  });
}

// Whether a key is not meant as a command: keys are switched off, somebody types, or a dialog is open.
export function isNoKey(event: KeyboardEvent): boolean {
  if (isOff() || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return true;
  return document.querySelector("dialog[open]") !== null;
}

function isOff(): boolean {
  return localStorage.getItem(OFF) === "1";
}

function isTyping(target: EventTarget | null): boolean {
  const typed = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  return target instanceof Element && target.closest(typed) !== null;
}

function openHelp(dialog: HTMLElement | null): void {
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

function press(key: string): boolean {
  switch (key) {
    case "j":
      return move(1);
    case "k":
      return move(-1);
    case "n":
      return write();
    case "/":
      return focus("input[type=search]");
    case "o":
      return clickIn(".when");
    case "p":
      return clickIn(".name");
    case "r":
      return clickIn(".act.reply");
    case "b":
      return clickIn(".act.boost");
    case "f":
      return clickIn(".act.favourite");
    case "x":
      return clickIn(".cw > summary");
    default:
      return false;
  }
}

function current(): HTMLElement | null {
  const focused = document.activeElement?.closest<HTMLElement>(".status");
  return focused ?? document.querySelector<HTMLElement>(".status.current");
}

function move(step: number): boolean {
  const all = [...document.querySelectorAll<HTMLElement>("main .status")];
  if (all.length === 0) return false;
  const here = current();
  const index = here ? all.indexOf(here) + step : 0;
  const next = all[Math.min(Math.max(index, 0), all.length - 1)];
  if (!next) return false;
  here?.classList.remove("current");
  next.classList.add("current");
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  if (index >= all.length) say("This is the last post on the page.");
  return true;
}

function write(): boolean {
  if (focus(".composer textarea[name=text]")) return true;
  if (!document.querySelector("a[href='/compose']")) return false;
  window.location.assign("/compose");
  return true;
}

function focus(selector: string): boolean {
  const found = [...document.querySelectorAll<HTMLElement>(selector)].find((node) => node.offsetParent !== null);
  found?.focus();
  return found !== undefined;
}

function clickIn(selector: string): boolean {
  const found = current()?.querySelector<HTMLElement>(selector);
  found?.click();
  return found !== undefined && found !== null;
}
