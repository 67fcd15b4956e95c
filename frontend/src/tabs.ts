// On a narrow screen a row of tabs may be wider than the screen: it begins where the reader is.
export function startTabs(): void {
  for (const row of document.querySelectorAll<HTMLElement>(".tabs")) {
    const here = row.querySelector<HTMLElement>("[aria-current]");
    if (!here || row.scrollWidth <= row.clientWidth) continue;
    const place = here.getBoundingClientRect();
    const frame = row.getBoundingClientRect();
    row.scrollLeft += place.left - frame.left - (frame.width - place.width) / 2;
  }
}
