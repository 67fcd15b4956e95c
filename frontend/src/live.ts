// New posts arrive while the page is open: the server sends each as the same HTML that the page is made of.
// At the top of the page they appear at once; further down they wait behind a button, so nothing jumps.
import htmx from "htmx.org";
import { say } from "./say";

export function startLive(): void {
  const list = document.querySelector<HTMLElement>("[data-live]");
  const address = list?.dataset.live;
  if (!list || !address) return;
  const timeline = new Timeline(list);
  const source = new EventSource(address);
  source.addEventListener("status", (event) => timeline.arrive(event.data));
  source.addEventListener("change", (event) => timeline.change(event.data));
  source.addEventListener("gone", (event) => timeline.remove(event.data));
  source.addEventListener("unread", (event) => showUnread(event.data));
  window.addEventListener("pagehide", () => source.close());
  // A post that this page has sent may arrive both ways.
  document.body.addEventListener("htmx:afterSwap", () => timeline.dropDoubles());
}

class Timeline {
  private readonly waiting: HTMLElement[] = [];
  private readonly button: HTMLButtonElement | null;

  constructor(private readonly list: HTMLElement) {
    this.button = document.querySelector<HTMLButtonElement>(".newposts button");
    this.button?.addEventListener("click", () => this.showWaiting());
  }

  arrive(html: string): void {
    const status = parse(html);
    if (!status || document.getElementById(status.id)) return;
    if (this.waiting.some((other) => other.id === status.id)) return;
    this.waiting.unshift(status);
    const name = status.querySelector(".name")?.textContent?.trim() ?? "someone";
    say(`New post by ${name}.`);
    if (window.scrollY < 120) this.showWaiting();
    else this.showButton();
  }

  change(html: string): void {
    const status = parse(html);
    const old = status && document.getElementById(status.id);
    if (!status || !old) return;
    old.replaceWith(status);
    htmx.process(status);
  }

  dropDoubles(): void {
    const seen = new Set<string>();
    this.list.querySelectorAll<HTMLElement>(".status[id]").forEach((status) => {
      if (seen.has(status.id)) status.remove();
      seen.add(status.id);
    });
  }

  remove(id: string): void {
    const isGone = (status: HTMLElement) => status.dataset.status === id || status.id === `status-${id}`;
    document.querySelectorAll<HTMLElement>(".status").forEach((status) => {
      if (isGone(status)) status.remove();
    });
    this.waiting.splice(0, Infinity, ...this.waiting.filter((status) => !isGone(status)));
    this.showButton();
  }

  private showWaiting(): void {
    const fromButton = document.activeElement === this.button;
    const arrived = this.waiting.splice(0);
    this.list.querySelector(".empty")?.remove();
    for (const status of arrived.toReversed()) {
      status.classList.add("arrived");
      this.list.prepend(status);
      htmx.process(status);
    }
    this.showButton();
    if (fromButton) {
      arrived[0]?.focus();
      window.scrollTo({ top: 0 });
    }
  }

  private showButton(): void {
    const holder = this.button?.parentElement;
    if (!this.button || !holder) return;
    const many = this.waiting.length;
    holder.hidden = many === 0;
    this.button.textContent = many === 1 ? "1 new post" : `${many} new posts`;
  }
}

function parse(html: string): HTMLElement | null {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  const status = template.content.firstElementChild;
  return status instanceof HTMLElement ? status : null;
}

function showUnread(count: string): void {
  document.querySelectorAll<HTMLElement>("[data-unread]").forEach((badge) => {
    badge.hidden = count === "0";
    badge.textContent = count;
    const words = badge.parentElement?.querySelector(".unread-words");
    if (words) words.textContent = count === "0" ? "" : `, ${count} unread`;
  });
}
