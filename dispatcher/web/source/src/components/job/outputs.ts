// The pictures that a job made, however many.
import type { JobDocument, PictureOutput } from '@/api/types';

/** Return the pictures of a job; none when it only classified, or has not completed. */
export function outputsOf(job: JobDocument): readonly PictureOutput[] {
  const { result } = job;
  if (result === null) return [];
  if (result.outputs !== undefined) return result.outputs;
  const { url, download_url, width, height, content_type } = result;
  if (url === undefined || download_url === undefined) return [];
  return [
    {
      filename: nameOf(result.filename, content_type ?? ''),
      width: width ?? 0,
      height: height ?? 0,
      content_type: content_type ?? '',
      url,
      download_url,
    },
  ];
}

const ENDINGS: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
};

/** Return the name of a picture that was made of a file, with the ending of its format. */
export function nameOf(filename: string, contentType: string): string {
  const ending = ENDINGS[contentType];
  if (ending === undefined) return filename;
  const dot = filename.lastIndexOf('.');
  return `${dot > 0 ? filename.slice(0, dot) : filename || 'image'}.${ending}`;
}
