// A picture of the service: fetched with the key in a header, so its address holds no secret.
import { useEffect, useState } from 'preact/hooks';
import { callBlob } from '@/api/client';
import { type ApiProblem, asProblem } from '@/api/problem';
import { ProblemNote } from '@/components/ProblemNote';
import { returns } from '@/state/service';

/** What is known of a picture that is fetched. */
export interface FetchedPicture {
  /** An address that an `img` can show; null until it is there. */
  readonly url: string | null;
  readonly problem: ApiProblem | null;
}

/** Fetch a picture for as long as a component is shown; a null path means none. */
export function usePicture(path: string | null): FetchedPicture {
  const [fetched, setFetched] = useState<FetchedPicture>({ url: null, problem: null });
  const comeback = fetched.problem === null ? 0 : returns.value; // what failed is tried again then
  useEffect(() => {
    setFetched({ url: null, problem: null });
    if (path === null) return;
    const ending = new AbortController();
    let url: string | null = null;
    callBlob(path, { signal: ending.signal }).then(
      (blob) => {
        if (ending.signal.aborted) return;
        url = URL.createObjectURL(blob);
        setFetched({ url, problem: null });
      },
      (thrown: unknown) => {
        if (!ending.signal.aborted) setFetched({ url: null, problem: asProblem(thrown) });
      },
    );
    return () => {
      ending.abort();
      if (url !== null) URL.revokeObjectURL(url);
    };
  }, [path, comeback]);
  return fetched;
}

/** A picture of the service, or why it cannot be shown. */
export function Picture({
  path,
  alt,
  class: name = '',
}: {
  path: string;
  alt: string;
  class?: string;
}) {
  const { url, problem } = usePicture(path);
  if (problem !== null) return <ProblemNote problem={problem} />;
  return url === null ? (
    <div class={`picture-wait ${name}`} />
  ) : (
    <img src={url} alt={alt} class={name} />
  );
}
