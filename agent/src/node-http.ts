/**
 * `node:http`, fetched so that it costs 3 MB: imported by its name, Node fills in every export, and for the sake of `http.WebSocket`
 * loads undici, which is another 13 MB and 50 ms in each process (Node 24.21). Types may be imported as usual.
 */
export const http = process.getBuiltinModule('node:http');

/** `node:http2`, fetched likewise; only where gRPC is spoken, for it is another 10 MB. */
export const http2 = () => process.getBuiltinModule('node:http2');
