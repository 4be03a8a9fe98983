import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
import{tooOld}from"./chunk-EM7HNO36.js";import"./chunk-RVTFVSUM.js";var fault=tooOld(process.versions.node);if(fault===void 0){let{runAction}=await import("./chunk-KDAXU2GS.js");process.exitCode=await runAction({environment:process.env,directory:process.cwd(),stdout:text=>process.stdout.write(text)})}else process.stdout.write(`::error title=NODE_TOO_OLD::${fault}
`),process.exitCode=2;
