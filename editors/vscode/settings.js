// What the settings mean, without the editor.
"use strict";

const { execFile } = require("node:child_process");

/** The arguments of the program: config values, each as NAME=VALUE, before the command. */
function argumentsOf(config) {
  return [...config.flatMap((value) => ["--config", value]), "lsp"];
}

/** The documents of the language server: YAML files on this machine by glob patterns. Unsaved files have no name yet. */
function selectorOf(files) {
  return files.map((pattern) => ({ scheme: "file", language: "yaml", pattern }));
}

/** Looks for the program; resolves to a problem for a person, or to undefined if it has a language server. */
function find(command) {
  return new Promise((resolve) => {
    execFile(command, ["lsp", "--help"], { timeout: 10_000 }, (error) => {
      if (!error) {
        resolve(undefined);
      } else if (error.code === "ENOENT") {
        resolve(`deployer: there is no program "${command}"; install it, or set "deployer.path" to where it is`);
      } else if (error.code === "EACCES") {
        resolve(`deployer: "${command}" can't be executed; set "deployer.path" to the program`);
      } else if (error.code === 2) {
        resolve(`deployer: "${command}" has no language server; install a newer version`);
      } else {
        resolve(`deployer: "${command}" does not start: ${error.message}`);
      }
    });
  });
}

module.exports = { argumentsOf, find, selectorOf };
