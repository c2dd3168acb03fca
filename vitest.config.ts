import { defineConfig } from 'vitest/config';

// An export condition of each workspace package: tests run the sources, programs run dist.
const conditions = ['flotilla-source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    exclude: ['**/dist/**', '**/node_modules/**', '**/.flotilla/**'],
    // Only what hangs waits so long: a loaded machine takes several times what an idle one does.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two shared cores are the smallest machine that this must pass on.
    maxWorkers: 2,
    coverage: {
      // Both cores are decided by their tests alone: `npm test -- --coverage` holds them to every branch.
      include: ['agent/src/core/**/*.ts', 'control-plane/src/core/**/*.ts'],
      exclude: ['**/*.test.ts', '**/slot-play.ts', '**/rollout-play.ts', '**/randomness.ts'],
      thresholds: { branches: 100 },
      reporter: ['text-summary'],
    },
  },
});
