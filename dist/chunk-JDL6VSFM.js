import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
import{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted}from"./chunk-NSV4Y37F.js";import"./chunk-BDW3S6AS.js";import"./chunk-TPBACNJC.js";import"./chunk-RVTFVSUM.js";export{endInOrderOnSignals,interruptedExitCode,refuseWhenInterrupted};
