// The page of one case: clauses by their number, the suggestion for each, the review before a decision, and the lease.
import { isNoKey } from "./keys";
import { say } from "./say";

const RENEW_EVERY = 60_000;
const IDLE_AFTER = 4 * 60_000;
const DIGITS_WITHIN = 1200;

export function startCase(): void {
  const form = document.querySelector<HTMLFormElement>("form#decide");
  if (form) {
    startClauses(form);
    startSearch(form);
    startCounts(form);
  }
  startReview();
  startLease();
}

// "7" chooses the clause of group 7 that is named first, "7" and then "2" clause 7.2. "0" says that nothing is broken.
function startClauses(form: HTMLFormElement): void {
  let typed = "";
  let since = 0;
  document.addEventListener("keydown", (event) => {
    if (isNoKey(event) || !/^[0-9]$/.test(event.key)) return;
    const now = Date.now();
    typed = now - since < DIGITS_WITHIN ? typed + event.key : event.key;
    since = now;
    const clause = findClause(form, typed) ?? findClause(form, (typed = event.key));
    event.preventDefault();
    if (!clause) return say(`There is no clause ${typed}.`, true);
    clause.checked = true;
    clause.closest<HTMLElement>("[hidden]")?.removeAttribute("hidden");
    clause.focus({ preventScroll: true });
    clause.closest("label")?.scrollIntoView({ block: "nearest" });
    clause.dispatchEvent(new Event("change", { bubbles: true }));
  });
  form.addEventListener("change", (event) => {
    const at = event.target;
    if (at instanceof HTMLInputElement && at.name === "clause") suggest(form, at);
  });
}

function clausesOf(form: HTMLFormElement): HTMLInputElement[] {
  return [...form.elements].filter((one): one is HTMLInputElement => one instanceof HTMLInputElement && one.name === "clause");
}

function findClause(form: HTMLFormElement, typed: string): HTMLInputElement | undefined {
  const all = clausesOf(form);
  if (typed === "0") return all.find((one) => one.value === "");
  const exact = `${typed.slice(0, 1)}.${typed.slice(1)}`;
  return all.find((one) => one.value === exact) ?? (typed.length === 1 ? all.find((one) => one.value.startsWith(exact)) : undefined);
}

// Each clause carries what the ladder of the policy suggests for it: it is chosen with the clause and can be changed.
function suggest(form: HTMLFormElement, clause: HTMLInputElement): void {
  for (const [name, value] of [["action", clause.dataset.action], ["account_action", clause.dataset.account]] as const) {
    const choice = [...form.elements].find(
      (one): one is HTMLInputElement => one instanceof HTMLInputElement && one.name === name && one.value === value && !one.disabled,
    );
    if (choice) choice.checked = true;
  }
  const hours = form.elements.namedItem("hours");
  if (hours instanceof HTMLSelectElement && clause.dataset.hours) hours.value = clause.dataset.hours;
  const facts = form.elements.namedItem("facts");
  const reasons = form.elements.namedItem("reasons");
  if (reasons instanceof HTMLTextAreaElement && !reasons.dataset.touched) reasons.placeholder = clause.dataset.reasons ?? "";
  if (facts instanceof HTMLTextAreaElement && !facts.dataset.touched) facts.placeholder = clause.dataset.facts ?? "";
  const why = document.getElementById("suggested");
  if (why) why.textContent = clause.dataset.why ?? "";
  say(`${clause.dataset.name ?? clause.value}. ${clause.dataset.why ?? ""}`);
}

// A word or a number leaves only the clauses that have it; Enter takes the first of them.
function startSearch(form: HTMLFormElement): void {
  const search = document.querySelector<HTMLInputElement>("#clause-search");
  if (!search) return;
  const rows = clausesOf(form).map((one) => ({ input: one, row: one.closest<HTMLElement>("label") }));
  const matches = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { row } of rows) {
      const text = `${row?.textContent ?? ""} ${row?.dataset.more ?? ""}`.toLowerCase();
      if (row) row.hidden = !words.every((word) => text.includes(word));
    }
    return rows.filter(({ row }) => row && !row.hidden);
  };
  search.addEventListener("input", () => {
    const many = matches().length;
    say(many === 1 ? "1 clause" : `${many} clauses`);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    const first = event.key === "Enter" ? matches()[0]?.input : undefined;
    search.value = "";
    matches();
    if (first) {
      first.checked = true;
      first.focus();
      first.dispatchEvent(new Event("change", { bubbles: true }));
    } else search.blur();
  });
}

// How many subjects are chosen stands beside the button.
function startCounts(form: HTMLFormElement): void {
  const boxes = () => [...document.querySelectorAll<HTMLInputElement>("input[name=subject]")];
  const shown = document.getElementById("chosen");
  const count = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    if (shown) shown.textContent = `${chosen} of ${boxes().length} chosen`;
  };
  document.addEventListener("change", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.name === "subject") count();
  });
  document.querySelectorAll<HTMLElement>("[data-choose]").forEach((button) => {
    button.addEventListener("click", () => {
      boxes().forEach((box) => (box.checked = button.dataset.choose === "all"));
      count();
      say(shown?.textContent ?? "");
    });
  });
  form.addEventListener("input", (event) => {
    if (event.target instanceof HTMLTextAreaElement) event.target.dataset.touched = "1";
  });
}

// The review comes into a dialog whose first button confirms, so that Enter, Enter decides and Escape leaves.
function startReview(): void {
  const dialog = document.querySelector<HTMLDialogElement>("dialog#review");
  if (!dialog) return;
  let before: Element | null = null;
  document.body.addEventListener("htmx:beforeRequest", () => (before = document.activeElement));
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (!(event.target instanceof Element) || event.target.id !== "review-body") return;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector<HTMLElement>("[data-confirms], [role=alert]")?.focus();
  });
  dialog.addEventListener("click", (event) => {
    const at = event.target instanceof Element ? event.target : null;
    if (at?.closest("[data-closes]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("submit", (event) => {
    const button = (event as SubmitEvent).submitter;
    if (button instanceof HTMLButtonElement) window.setTimeout(() => (button.disabled = true));
  });
  dialog.addEventListener("close", () => {
    if (before instanceof HTMLElement) before.focus();
  });
}

// A case stays claimed while somebody works on its page; who went away gives it back by letting the lease end.
function startLease(): void {
  const form = document.querySelector<HTMLFormElement>("form#renew");
  if (!form) return;
  let active = Date.now();
  for (const kind of ["keydown", "pointerdown", "scroll"]) {
    document.addEventListener(kind, () => (active = Date.now()), { passive: true, capture: true });
  }
  window.setInterval(() => {
    if (document.visibilityState === "visible" && Date.now() - active < IDLE_AFTER) void renew(form);
  }, RENEW_EVERY);
}

async function renew(form: HTMLFormElement): Promise<void> {
  const body = new URLSearchParams(new FormData(form) as unknown as Record<string, string>);
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" }, redirect: "manual" });
    const place = document.getElementById("lease");
    if (answer.ok && place) place.innerHTML = await answer.text();
    else if (answer.status === 409) {
      say("Somebody else has taken this case. What you typed is still here, but you can no longer decide.", true);
      document.querySelector(".casepage")?.classList.add("lost");
    }
  } catch {
    // The network is away: the next try, or the decision itself, will say so.
  }
}
