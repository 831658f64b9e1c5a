// What is done once a person has stopped for a moment: not at every key.

/** Does the last of several things that were asked for in quick succession. */
export class Debounce {
  private timer: ReturnType<typeof setTimeout> | undefined = undefined;

  /** @param afterMs how long nothing else may have been asked for. */
  constructor(private readonly afterMs: number) {}

  /** Do this a moment later, in place of what waits. */
  ask(action: () => void): void {
    this.stop();
    this.timer = setTimeout(action, this.afterMs);
  }

  /** Forget what waits. */
  stop(): void {
    clearTimeout(this.timer);
  }
}
