// The foot of the page: where more is to be read.
import { apiKey, isKeyRefused } from '@/state/api_key';

/** The foot of the page. */
export function Footer() {
  // A link sends no key, and an address must not hold one.
  const needsKey = apiKey.value !== '' || isKeyRefused.value;
  return (
    <footer class="footer">
      {needsKey ? null : <a href="/docs">API documentation</a>}
      <a href="/page/licenses.md">Licences of what the page is made of</a>
    </footer>
  );
}
