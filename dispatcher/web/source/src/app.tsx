// The shell of the page: head, the view of the moment, notes and the dialog of the key.
import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiProblem } from '@/api/problem';
import { useFocusRescue } from '@/components/focus_rescue';
import { Footer } from '@/components/Footer';
import { Header } from '@/components/Header';
import { KeyDialog } from '@/components/KeyDialog';
import { ProblemNote } from '@/components/ProblemNote';
import { ServiceBanner } from '@/components/ServiceBanner';
import { Toasts } from '@/components/Toasts';
import { route, VIEWS, type ViewEntry, type ViewProps } from '@/routes';

/** The whole page. */
export function App() {
  const { view, rest, query } = route.value;
  const entry = VIEWS.find(({ name }) => name === view) ?? VIEWS[0];
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useFocusRescue(main);
  useEffect(() => {
    document.title = `${entry?.title ?? ''} · Conveyor`;
    if (isFirst.current) isFirst.current = false;
    else main.current?.focus(); // as a browser does with another page
  }, [view]);
  return (
    <>
      <a
        class="skip-link"
        href="#main"
        onClick={(event) => {
          event.preventDefault(); // the hash is the address of a view
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <Header />
      <ServiceBanner />
      <main id="main" class="main" tabIndex={-1} ref={main}>
        {entry === undefined ? null : <Loaded key={view} entry={entry} rest={rest} query={query} />}
      </main>
      <Footer />
      <Toasts />
      <KeyDialog />
    </>
  );
}

function Loaded({ entry, ...props }: ViewProps & { entry: ViewEntry }) {
  const [View, setView] = useState<ComponentType<ViewProps> | null>(null);
  const [hasFailed, setHasFailed] = useState(false);
  useEffect(() => {
    entry.load().then(
      (loaded) => setView(() => loaded.default),
      () => setHasFailed(true),
    );
  }, [entry]);
  if (hasFailed) {
    return (
      <ProblemNote problem={OUTDATED}>
        <button class="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </ProblemNote>
    );
  }
  return View === null ? <p class="visually-hidden">Loading …</p> : <View {...props} />;
}

/** After an update of the service its old files are gone. */
const OUTDATED = new ApiProblem(
  'page_outdated',
  'The page is outdated',
  'A part of the page cannot be fetched: the service is away, or has been updated since.',
  0,
);
