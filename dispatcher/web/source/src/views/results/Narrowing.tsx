// What narrows the list of jobs: a text that is searched for, and a state.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { goTo, hrefTo } from '@/routes';
import { Debounce } from '@/state/debounce';
import { isId, LONGEST_TEXT, queryOf, searching, STATES, type Wish } from '@/views/results/listing';

/** The service is asked when nobody has typed for so long. */
const SETTLES_MS = 300;

/** The form above the list. */
export function Narrowing({ wish }: { wish: Wish }) {
  const { typed, type, search } = useTyping(wish);
  return (
    <form
      class="results-narrowing"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (isId(typed)) goTo(hrefTo('results', typed.trim()));
        else search(typed);
      }}
    >
      <label class="field">
        <span>Search by id, file or pipeline</span>
        <input
          type="search"
          class="input"
          value={typed}
          maxLength={LONGEST_TEXT}
          spellcheck={false}
          onInput={(event) => type(event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>State</span>
        <select
          class="select"
          value={wish.status}
          onChange={(event) => {
            const status = event.currentTarget.value as Wish['status'];
            show({ ...searching(wish, typed), status });
          }}
        >
          <option value="">all</option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {state}
            </option>
          ))}
        </select>
      </label>
      {isId(typed) ? (
        <a class="button" href={hrefTo('results', typed.trim())}>
          Open this job
        </a>
      ) : null}
    </form>
  );
}

/** What is typed; the address, and with it the list, follows a moment later. */
function useTyping(wish: Wish) {
  const [typed, setTyped] = useState(wish.text);
  const latest = useRef(wish);
  latest.current = wish;
  const asked = useRef(wish.text);
  const debounce = useMemo(() => new Debounce(SETTLES_MS), []);
  useEffect(() => () => debounce.stop(), []);
  useEffect(() => {
    if (wish.text === asked.current) return; // it is what was typed
    debounce.stop();
    asked.current = wish.text;
    setTyped(wish.text);
  }, [wish.text]);
  const search = (text: string): void => {
    debounce.stop();
    const next = searching(latest.current, text);
    asked.current = next.text;
    if (next.text !== latest.current.text) show(next);
  };
  const type = (text: string): void => {
    setTyped(text);
    debounce.ask(() => search(text));
  };
  return { typed, type, search };
}

function show(wish: Wish): void {
  goTo(hrefTo('results', [], queryOf(wish)), { replace: true });
}
