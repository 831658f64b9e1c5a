// Two pictures over each other and a slider between them.
import { useState } from 'preact/hooks';

interface ComparisonProps {
  /** Addresses that an `img` can show. */
  readonly before: string;
  readonly after: string;
  readonly alt: string;
}

/** Before and after; a picture of other proportions is stretched over the one behind it. */
export function Comparison({ before, after, alt }: ComparisonProps) {
  const [percent, setPercent] = useState(50);
  const [isUnreadable, setIsUnreadable] = useState(false);
  if (isUnreadable) return <img class="outcome-picture" src={after} alt={`${alt}, after`} />;
  return (
    <div class="comparison">
      <div class="comparison-frame">
        <img src={after} alt={`${alt}, after`} />
        <img
          class="comparison-before"
          src={before}
          alt={`${alt}, before`}
          onError={() => setIsUnreadable(true)} // the service reads more formats than browsers do
          style={{ clipPath: `inset(0 ${100 - percent}% 0 0)` }}
        />
        <div class="comparison-line" style={{ left: `${percent}%` }} aria-hidden="true">
          <span class="comparison-grip" />
        </div>
        <input
          class="comparison-slider"
          type="range"
          min="0"
          max="100"
          value={percent}
          aria-label="Before and after"
          aria-valuetext={`${percent} % before`}
          onInput={(event) => setPercent(Number(event.currentTarget.value))}
        />
      </div>
      <p class="row row-between small muted" aria-hidden="true">
        <span>Before</span>
        <span>After</span>
      </p>
    </div>
  );
}
