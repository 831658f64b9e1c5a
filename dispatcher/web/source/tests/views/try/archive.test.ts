import { describe, expect, it, vi } from 'vitest';
import type { JobDocument } from '@/api/types';

vi.stubGlobal('sessionStorage', { getItem: () => null });
vi.stubGlobal('localStorage', { getItem: () => null });
const { entriesOf } = await import('@/views/try/archive');

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
