#!/usr/bin/env node
import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);
import{tooOld}from"./chunk-EM7HNO36.js";import"./chunk-RVTFVSUM.js";var fault=tooOld(process.versions.node);if(fault===void 0){let{endInOrderOnSignals,interruptedExitCode}=await import("./chunk-7RDDXJOJ.js");endInOrderOnSignals();let{runCommandLine}=await import("./chunk-F7OOCRK2.js"),exitCode=await runCommandLine({words:process.argv.slice(2),environment:process.env,directory:process.cwd(),version:"0.1.0",stdout:text=>process.stdout.write(text),stderr:text=>process.stderr.write(text)});process.exitCode=interruptedExitCode()??exitCode}else process.stderr.write(`NODE_TOO_OLD: ${fault}
`),process.exitCode=2;
