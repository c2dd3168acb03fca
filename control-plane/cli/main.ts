import '@flotilla/protocol/sure-exit';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`flotilla needs Node 24 or newer, this is ${process.version}; in a checkout, run it with npx.`);
  process.exit(78);
}
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
// Loaded only now: an older Node cannot even load what follows, and would say so less clearly.
const { run } = await import('./program.js');
process.exitCode = await run(process.argv.slice(2));
