let last=process.memoryUsage.rss(); console.log('base',(last/1e6).toFixed(1));
for (const n of process.argv.slice(2)){ await import(n); const x=process.memoryUsage.rss(); console.log(n,((x-last)/1e6).toFixed(1)); last=x;}
console.log('total',(last/1e6).toFixed(1)); globalThis.gc?.(); console.log('after gc',(process.memoryUsage.rss()/1e6).toFixed(1), JSON.stringify(process.memoryUsage()));
