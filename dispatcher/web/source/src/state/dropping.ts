// A file that is dropped beside a place for it: the browser would leave the page to show it.

/** Let no dropped file take the page away; places for files take theirs before. */
export function keepDroppedFilesFromLeaving(): void {
  const keep = (event: DragEvent): void => {
    // Text may be dropped into fields.
    if (event.dataTransfer?.types.includes('Files') === true) event.preventDefault();
  };
  addEventListener('dragover', keep);
  addEventListener('drop', keep);
}
