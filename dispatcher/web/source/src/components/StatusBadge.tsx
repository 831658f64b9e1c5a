// A state as a word with a colour: never by the colour alone.

type Mood = 'good' | 'busy' | 'warn' | 'bad' | 'idle';

const MOODS: Readonly<Record<string, Mood>> = {
  ready: 'good',
  completed: 'good',
  healthy: 'good',
  processing: 'busy',
  uploading: 'busy',
  starting: 'busy',
  probing: 'busy',
  degraded: 'warn',
  deleting: 'warn',
  draining: 'warn',
  unready: 'warn',
  expired: 'warn',
  failed: 'bad',
  ejected: 'bad',
  refused: 'bad',
  away: 'bad',
};

/** A state of a job, a replica, a step or the service. */
export function StatusBadge({ state, label }: { state: string; label?: string }) {
  return (
    <span class={`badge badge-${MOODS[state] ?? 'idle'}`}>
      <span class="badge-dot" aria-hidden="true" />
      {label ?? state}
    </span>
  );
}
