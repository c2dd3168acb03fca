if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`flotilla-agent needs Node 24 or newer, this is ${process.version}; start it with npm or npx from the checkout.`);
  process.exit(78);
}
// Loaded only now: an older Node cannot even load what follows, and would say so less clearly.
const { commandLine } = await import('./command-line.js');
await commandLine(process.argv, process.env);
