import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
function tooOld(version){return Number(version.split(".")[0])>=24?void 0:`Node.js 24 or newer is needed, this is ${version}`}export{tooOld};
