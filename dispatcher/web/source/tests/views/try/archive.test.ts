import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JobDocument } from '@/api/types';
import type { RefusedPicture } from '@/views/try/archive';
import { type Asked, stubBrowser, stubFetch } from '../../silent_service';

stubBrowser();
const { entriesOf, zipOf } = await import('@/views/try/archive');
const { missingWords, Zipping } = await import('@/views/try/zipping');

function made(filename: string, id: string): JobDocument {
  const result = {
    filename,
    content_type: 'image/png',
    url: `/result/${id}/image`,
    download_url: 'x',
  };
  return { request_id: id, filename, result } as unknown as JobDocument;
}

describe('the names in a zip', () => {
  it('are those of the files, no two alike whatever their case', () => {
    const jobs = [
      made('a.jpg', '1'),
      made('A.jpg', '2'),
      made('a.jpg', '3'),
      made('results.json', '4'),
    ];
    expect(entriesOf(jobs)).toEqual([
      { name: 'a.png', path: '/result/1/image' },
      { name: 'A-2.png', path: '/result/2/image' },
      { name: 'a-3.png', path: '/result/3/image' },
      { name: 'results.png', path: '/result/4/image' },
    ]);
  });

  it('lead out of no folder', () => {
    expect(entriesOf([made('../../x.jpg', '1')])[0]?.name).toBe('.._.._x.png');
  });
});

describe('the pictures in a zip', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const jobs = [made('a.jpg', '1'), made('b.jpg', '2'), made('c.jpg', '3')];
  const problem = (status: number, code: string): Response =>
    Response.json({ code, title: code, detail: `It is ${code}.` }, { status });

  /** Return the zip as text: what is stored in it is not compressed. */
  async function textOf(blob: Blob): Promise<string> {
    return new TextDecoder('latin1').decode(await blob.arrayBuffer());
  }

  it('are all but those that are gone, which are named', async () => {
    stubFetch(({ path }) =>
      path === '/result/2/image' ? problem(410, 'gone') : new Response(`picture ${path}`),
    );
    const { blob, missing } = await zipOf(jobs);
    expect(missing).toEqual([{ name: 'b.png', error: { code: 'gone', detail: 'It is gone.' } }]);
    const text = await textOf(blob);
    expect(text).toContain('picture /result/1/image');
    expect(text).toContain('picture /result/3/image');
    expect(text).toContain('"missing": [');
    expect(missingWords(missing)).toBe(
      '1 picture is not in the zip, because the service no longer has it: b.png.',
    );
  });

  it('that are gone are named, as far as a note has room', () => {
    const error = { code: 'gone', detail: '' };
    const missing = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, error }));
    expect(missingWords(missing)).toBe(
      '5 pictures are not in the zip, because the service no longer has them: a, b, c, 2 more.',
    );
  });

  it('are asked for again when the service cannot give them for the moment', async () => {
    const calls = stubFetch(() =>
      calls.length < 3 ? problem(503, 'overloaded') : new Response('picture'),
    );
    const zip = zipOf(jobs.slice(0, 1));
    await vi.advanceTimersByTimeAsync(20_000);
    expect((await zip).missing).toEqual([]);
    expect(calls).toHaveLength(3);
  });

  it('stand beside those that failed or were refused, with the code', async () => {
    stubFetch(() => new Response('picture'));
    const failed = {
      ...made('f.jpg', '4'),
      result: null,
      error: { code: 'image_truncated', detail: '' },
    };
    const error = { code: 'unsupported_image_type', detail: 'No picture.' };
    const refused: RefusedPicture = { filename: 'r.txt', status: 'refused', error };
    const text = await textOf((await zipOf([jobs[0]!, failed, refused])).blob);
    expect(text).toContain('"code": "image_truncated"');
    expect(text).toContain('"code": "unsupported_image_type"');
  });

  it('that are there later have a zip of their own, after the one that is made', async () => {
    const saved: Asked[][] = [];
    const calls = stubFetch(() => new Response('picture'));
    vi.stubGlobal('document', {
      createElement: () => ({ click: () => saved.push(calls.splice(0)) }),
    });
    let told = jobs.slice(0, 1);
    const zipping = new Zipping(() => told);
    const making = zipping.make();
    told = jobs;
    await zipping.make();
    await making;
    expect(saved.map((asked) => asked.length)).toEqual([1, 3]);
    expect(zipping.fetched.value).toBeNull();
  });
});
