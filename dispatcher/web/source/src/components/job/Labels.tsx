// What a classifier sees, the likeliest first.
import type { JobOutcome } from '@/api/types';
import { formatPercent, NONE } from '@/figures';

/** Labels with their scores as bars; nothing when there are none. */
export function Labels({ result }: { result: JobOutcome }) {
  const { predictions = [], scores = [] } = result;
  if (predictions.length === 0) return null;
  return (
    <ol class="labels" aria-label="Labels, the likeliest first">
      {predictions.map((label, index) => {
        const percent = 100 * (scores[index] ?? Number.NaN);
        return (
          <li key={label} class="label-row">
            <span class="label-name">{label}</span>
            <span class="label-score">{Number.isNaN(percent) ? NONE : formatPercent(percent)}</span>
            <span class="meter" aria-hidden="true">
              <span style={{ width: `${Math.max(0.5, percent || 0)}%` }} />
            </span>
          </li>
        );
      })}
    </ol>
  );
}
