#!/usr/bin/env node
// Starts the program of the package for this platform, with the same arguments, terminal, signals and exit code.
"use strict";

const { spawn } = require("node:child_process");

const platform = `deployer-${process.platform}-${process.arch}`;
let program;
try {
  program = require.resolve(`${platform}/bin/deployer`);
} catch {
  console.error(
    `error: the npm package ${platform} is not installed\n` +
      "  help: there are programs for linux-x64; install without `--omit=optional` or `--no-optional`",
  );
  process.exit(1);
}
const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`error: could not start ${program}: ${error.message}`);
  process.exit(1);
});
// Ctrl-C reaches the program itself, which decides when to stop; other signals are sent to this process alone.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exit(code);
  }
});
