// Menus are <details>. Here they also close on Escape, on a click elsewhere, and when another one opens.
const OPEN = "details.menu[open]";

export function startMenus(): void {
  document.addEventListener("click", (event) => {
    const inside = event.target instanceof Element ? event.target.closest(OPEN) : null;
    closeMenus(inside);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector<HTMLDetailsElement>(OPEN);
    if (!open) return;
    open.open = false;
    open.querySelector("summary")?.focus();
  });
}

function closeMenus(except: Element | null): void {
  document.querySelectorAll<HTMLDetailsElement>(OPEN).forEach((menu) => {
    if (menu !== except) menu.open = false;
  });
}
