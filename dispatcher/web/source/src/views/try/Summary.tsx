// How far all pictures are, and what can be done with all of them.
import { Download, Play, RotateCcw, X } from 'lucide';
import { focusSoon } from '@/components/focusing';
import { Icon } from '@/components/Icon';
import { counted } from '@/figures';
import { fault, zipsByItself } from '@/views/try/choices';
import { clear, runAgain, tally, tryFailedAgain, zipping } from '@/views/try/session';

/** A line above the pictures. */
export function Summary() {
  const { total, ended, failed } = tally.value;
  return (
    <section class="card stack" aria-label="Progress of all pictures">
      <div class="row row-between">
        <p class="try-tally">
          <strong>
            {ended} of {counted(total, 'picture')}
          </strong>{' '}
          done{failed > 0 ? <span class="try-failed">, {failed} failed</span> : null}
        </p>
        <div class="row">
          {failed > 0 ? (
            <button class="button" onClick={tryFailedAgain}>
              <Icon of={RotateCcw} />
              Try failed again
            </button>
          ) : null}
          <button
            class="button"
            title="All pictures, as is chosen now"
            disabled={ended < total || fault.value !== null}
            onClick={runAgain}
          >
            <Icon of={Play} />
            Run again
          </button>
          <ZipButton />
          <button class="button button-quiet" onClick={clearAll}>
            <Icon of={X} />
            Clear
          </button>
        </div>
      </div>
      <div
        class="meter"
        role="progressbar"
        aria-label="Pictures done"
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={ended}
      >
        <span style={{ width: `${(100 * ended) / Math.max(1, total)}%` }} />
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={zipsByItself.value}
          onChange={(event) => (zipsByItself.value = event.currentTarget.checked)}
        />
        <span>Download the zip by itself when all are done</span>
      </label>
    </section>
  );
}

function ZipButton() {
  const count = zipping.fetched.value;
  return (
    <button
      class="button button-primary"
      disabled={tally.value.completed === 0 || count !== null}
      onClick={() => void zipping.make()}
    >
      <Icon of={Download} />
      {count === null ? 'Download all (zip)' : `Fetching: ${count}`}
    </button>
  );
}

/** Nothing of this is left then but the place to drop pictures on. */
function clearAll(): void {
  clear();
  focusSoon(() => document.querySelector<HTMLElement>('.try-main input[type="file"]'));
}
