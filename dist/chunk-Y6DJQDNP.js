import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
import{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted}from"./chunk-Y5ZDU734.js";import"./chunk-BDW3S6AS.js";import"./chunk-V2TIOFNJ.js";import"./chunk-RVTFVSUM.js";export{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted};
