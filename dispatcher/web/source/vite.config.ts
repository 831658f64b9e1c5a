// How the page is built: plain static files, nothing from elsewhere at run time.
//
//   npx vite                 a development server; it passes calls of the API on to CONVEYOR_URL
//   ../../../setup.sh page   what is shipped: ../built
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const SERVICE = process.env['CONVEYOR_URL'] ?? 'http://127.0.0.1:8080';
// Everything that the dispatcher answers; all other paths are the page's own.
const CALLS =
  '^/(predict|result|results|process|batch|static|health|livez|readyz|status|metrics|pipeline|step-types|queue|docs|openapi.json)';

export default defineConfig({
  base: '/page/',
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../built',
    emptyOutDir: true,
    assetsDir: '', // one flat folder: /page/NAME
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: addresses
    target: 'es2022',
    modulePreload: { polyfill: false }, // which would be a script in the page itself
    license: { fileName: 'licenses.md' }, // of what is built in
    rolldownOptions: {
      output: {
        // view-HASH.js would not say which: live-HASH.js does.
        chunkFileNames: ({ facadeModuleId }) =>
          `${/\/views\/(\w+)\/view\.tsx$/.exec(facadeModuleId ?? '')?.[1] ?? '[name]'}-[hash].js`,
      },
    },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
  server: { proxy: { [CALLS]: { target: SERVICE } } },
});
