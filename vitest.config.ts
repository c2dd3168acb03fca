import { defineConfig } from 'vitest/config';

// An export condition of each workspace package: tests run the sources, programs run dist.
const conditions = ['flotilla-source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    exclude: ['**/dist/**', '**/node_modules/**', '**/.flotilla/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two shared cores are the smallest machine that this must pass on.
    maxWorkers: 2,
  },
});
