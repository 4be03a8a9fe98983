import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
function imageFacts({source,digest,proof,os,kernelRelease}){return{source,digest,proof,os,kernelRelease}}var tocNote="read by tables of contents, which nothing binds to the layers that nodes unpack";export{imageFacts,tocNote};
