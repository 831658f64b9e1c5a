// Where the keyboard goes next, decided by whoever changes what is shown.

/** Focus something and bring it into view, once the changes of the moment are on the screen. */
export function focusSoon(find: () => HTMLElement | null | undefined): void {
  setTimeout(() => {
    const found = find();
    found?.focus({ preventScroll: true });
    found?.scrollIntoView({ block: 'nearest' }); // not at all where it can be seen
  });
}

/** Focus the row that took the place of a removed one, else the last, else what adds the first. */
export function focusRowAt(list: HTMLElement | null, index: number): void {
  focusSoon(() => {
    const rows = list?.querySelectorAll<HTMLElement>(':scope > ol > li') ?? [];
    const row = rows[Math.min(index, rows.length - 1)];
    if (row !== undefined) return row.querySelector<HTMLElement>('[aria-label^="Remove "]');
    return list?.querySelector<HTMLElement>(':scope > [role="group"] button');
  });
}
