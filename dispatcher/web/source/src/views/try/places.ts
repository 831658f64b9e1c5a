// From a picture in the list to its details and back, however long the list is.
import { focusSoon } from '@/components/focusing';
import { selectedId } from '@/views/try/session';

/** Id of the heading of the details. */
export const DETAIL_TITLE = 'try-detail-title';
/** Id of the heading of the list. */
export const LIST_TITLE = 'try-list-title';

/** Return the id of a picture's button in the list. */
export function cardId(pictureId: number): string {
  return `try-card-${pictureId}`;
}

/** Show what has become of a picture. */
export function goToDetail(pictureId: number): void {
  selectedId.value = pictureId;
  focusSoon(() => document.getElementById(DETAIL_TITLE));
}

/** Go back to a picture in the list, or to the list when that does not show it. */
export function goToList(pictureId: number): void {
  focusSoon(
    () => document.getElementById(cardId(pictureId)) ?? document.getElementById(LIST_TITLE),
  );
}
