// `node --experimental-transform-types --conditions=flotilla-source --import <this> x.ts`: a child process runs the sources
// that its test runs, not what was last built.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('.') || !specifier.endsWith('.js')) return next(specifier, context);
    try {
      return next(specifier, context);
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
      return next(`${specifier.slice(0, -3)}.ts`, context);
    }
  },
});
