import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
import{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted}from"./chunk-AMRRNLQC.js";import"./chunk-BDW3S6AS.js";import"./chunk-43D4KCFF.js";import"./chunk-RVTFVSUM.js";export{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted};
