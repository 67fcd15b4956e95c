// The moderators' desk by keyboard. Every page of it works without this file: here are only quicker ways.
//
// A page says itself what its keys do: `data-key="n"` on a link, a field or a list of choices. A key follows a link,
// puts the focus into a field, opens what is folded, chooses a choice. It presses a button only where that says
// `data-presses`, which nothing does that cannot be taken back by leaving: a decision always needs a second key.
import "./styles/desk.css";
import { startCase } from "./desk-case";
import { isNoKey } from "./keys";
import { say } from "./say";

const PRESSED = "a, button[type=button], summary, [data-presses]";

function startDesk(): void {
  document.addEventListener("keydown", (event) => {
    if (leaves(event)) return;
    if (isNoKey(event) || event.repeat === true && event.key.length > 1) return;
    if (press(event)) event.preventDefault();
  });
  startClocks();
  startCase();
}

// In a field, Escape goes back to the keys, and Control+Enter to the review (or sends the note that is written).
function leaves(event: KeyboardEvent): boolean {
  const field = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>("textarea, input[type=search], select") : null;
  if (!field || document.querySelector("dialog[open]")) return false;
  if (event.key === "Escape" && field.id !== "clause-search") {
    const row = document.querySelector<HTMLElement>("main [data-row].current") ?? document.querySelector<HTMLElement>("main");
    row?.focus({ preventScroll: true });
    return true;
  }
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !(field instanceof HTMLTextAreaElement)) return false;
  const form = field.form;
  form?.requestSubmit(form.querySelector<HTMLButtonElement>("button:not([type=button])") ?? undefined);
  return true;
}

function press(event: KeyboardEvent): boolean {
  switch (event.key) {
    case "j":
      return move(1);
    case "k":
      return move(-1);
    case "Enter":
      return enter(event);
    default:
      return event.key.length === 1 && follow(event.key);
  }
}

// Rows of a list (cases, subjects of a case, proposals) take the focus one after the other.
function move(step: number): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")].filter((row) => row.offsetParent !== null);
  if (rows.length === 0) return false;
  const here = rows.findIndex((row) => row.contains(document.activeElement) || row.classList.contains("current"));
  const place = Math.min(Math.max(here + (here < 0 && step < 0 ? 0 : step), 0), rows.length - 1);
  const next = rows[place];
  if (!next) return false;
  rows.forEach((row) => row.classList.toggle("current", row === next));
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  if (here === place) say(step > 0 ? "This is the last one on the page." : "This is the first one on the page.");
  return true;
}

// Enter opens the row that has the focus, or goes on to the review of what was chosen. What takes Enter itself keeps it.
function enter(event: KeyboardEvent): boolean {
  const at = event.target instanceof Element ? event.target : null;
  if (at?.closest("a, button, summary, input, select, textarea")) return false;
  const link = document.activeElement?.closest("[data-row]")?.querySelector<HTMLElement>("[data-opens]");
  if (link) {
    link.click();
    return true;
  }
  const review = document.querySelector<HTMLButtonElement>("[data-review]:enabled");
  review?.click();
  return review !== null;
}

export function follow(key: string): boolean {
  const name = CSS.escape(key);
  const row = document.querySelector("main [data-row].current");
  const found = row?.querySelector<HTMLElement>(`[data-key="${name}"]`)
    ?? document.querySelector<HTMLElement>(`[data-key="${name}"]`);
  if (!found || found.matches(":disabled")) return false;
  openAround(found);
  if (found instanceof HTMLInputElement && (found.type === "radio" || found.type === "checkbox")) {
    found.click();
    found.focus({ preventScroll: found.type === "checkbox" });
  } else if (found instanceof HTMLDetailsElement) {
    found.open = !found.open;
    found.querySelector("summary")?.focus();
  } else if (found.matches(PRESSED)) found.click();
  else (found.querySelector<HTMLElement>("input:checked, input") ?? found).focus();
  return true;
}

function openAround(found: HTMLElement): void {
  for (let at = found.parentElement?.closest("details"); at; at = at.parentElement?.closest("details")) at.open = true;
}

// Clocks go on while a page stays open. The server has written the first words, in the same form.
function startClocks(): void {
  window.setInterval(() => {
    document.querySelectorAll<HTMLElement>("[data-due]").forEach((clock) => {
      const seconds = (new Date(clock.dataset.due ?? "").getTime() - Date.now()) / 1000;
      const words = clock.querySelector("[data-words]");
      if (words) words.textContent = seconds < 0 ? `${span(-seconds)} overdue` : `${span(seconds)} left`;
      if (seconds < 0 && !clock.classList.contains("over")) {
        clock.classList.remove("soon");
        clock.classList.add("over");
      }
    });
  }, 15_000);
}

// 45 s, 12 min, 3 h 20 min, 2 d 5 h: the two largest parts.
export function span(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.floor(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${Math.floor(hours / 24)} d`;
}

startDesk();
