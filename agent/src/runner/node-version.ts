if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`flotilla-runner needs Node 24 or newer, this is ${process.version}; start it with npm or npx from the checkout`);
  process.exit(78);
}
