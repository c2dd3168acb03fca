import type { Route } from '../../http/http.js';

/** Made when it is first asked for: it takes schemas that nothing else in a runner loads. */
export const openApiRoute = (): Route => ({
  method: 'GET',
  path: '/openapi.json',
  handle: async () => {
    const { slotOpenApi } = await import('./document.js');
    return { body: slotOpenApi() };
  },
});
