// When the service was last heard: a call that waits behind others in the browser is no silence.

let heardMs = Number.NEGATIVE_INFINITY;

/** Note that the service has sent something. */
export function noteHeard(): void {
  heardMs = performance.now();
}

/** Return whether the service has sent anything since a moment of `performance.now()`. */
export function hasBeenHeardSince(momentMs: number): boolean {
  return heardMs > momentMs;
}
