import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
import{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted}from"./chunk-4LA5AV42.js";import"./chunk-BDW3S6AS.js";import"./chunk-QEGHJCC5.js";import"./chunk-RVTFVSUM.js";export{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted};
