import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
import{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted}from"./chunk-UDGTVY7E.js";import"./chunk-QZL6AFRH.js";import"./chunk-NEHTZJGX.js";import"./chunk-RVTFVSUM.js";export{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted};
