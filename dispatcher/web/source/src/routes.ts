// Which view an address means. All of it stands behind the #, so the server never sees it.
import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';

/** Where the page is. */
export interface Route {
  readonly view: ViewName;
  /** What follows the name of the view, decoded: `#/results/abc` has `['abc']`. */
  readonly rest: readonly string[];
  /** What stands behind a `?` in the hash: filters and the like, never a secret. */
  readonly query: URLSearchParams;
}

/** What every view is given. */
export type ViewProps = Pick<Route, 'rest' | 'query'>;

/** One view of the page. */
export interface ViewEntry {
  readonly name: ViewName;
  readonly title: string;
  readonly load: () => Promise<{ default: ComponentType<ViewProps> }>;
}

/** Names of the views, as they stand in addresses; the first is shown when none is named. */
export type ViewName = 'try' | 'live' | 'pipelines' | 'experiments' | 'results';

/** All views in the order of the navigation; each is fetched when it is first shown. */
export const VIEWS: readonly ViewEntry[] = [
  { name: 'try', title: 'Try it', load: () => import('@/views/try/view') },
  { name: 'live', title: 'Live', load: () => import('@/views/live/view') },
  { name: 'pipelines', title: 'Pipelines', load: () => import('@/views/pipelines/view') },
  { name: 'experiments', title: 'Experiments', load: () => import('@/views/experiments/view') },
  { name: 'results', title: 'Results', load: () => import('@/views/results/view') },
];

/** Return where a hash leads; what nobody knows leads to the first view. */
export function parseHash(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [name, ...rest] = path.split('/').map(decoded);
  const view = VIEWS.find((each) => each.name === name)?.name ?? 'try';
  return { view, rest: rest.filter((part) => part !== ''), query: new URLSearchParams(query) };
}

/** Return the address of a view: `hrefTo('results', 'abc')` is `#/results/abc`. */
export function hrefTo(
  view: ViewName,
  rest: string | readonly string[] = [],
  query: Readonly<Record<string, string>> = {},
): string {
  const parts = [view === 'try' ? '' : view, ...(typeof rest === 'string' ? [rest] : rest)];
  const search = new URLSearchParams(query).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`;
}

/** Where the page is now. */
export const route = signal(parseHash(location.hash));

addEventListener('hashchange', () => {
  route.value = parseHash(location.hash);
});

/** Go somewhere; with `replace` the back button skips where the page was. */
export function goTo(href: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(null, '', href);
    route.value = parseHash(href);
  } else {
    location.hash = href;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
