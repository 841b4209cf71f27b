// Starts `deployer lsp` for stack files, and restarts it when a setting of it changes.
"use strict";

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");
const { argumentsOf, find, selectorOf } = require("./settings");

/** @type {LanguageClient | undefined} */
let client;
/** One start or stop after the other. */
let pending = Promise.resolve();

/** Shows a problem, with a way to the setting that solves it. */
async function report(problem) {
  const choice = await window.showErrorMessage(problem, "Open Settings", "Try Again");
  if (choice === "Open Settings") {
    await commands.executeCommand("workbench.action.openSettings", "deployer.path");
  } else if (choice === "Try Again") {
    await restart();
  }
}

async function start() {
  const settings = workspace.getConfiguration("deployer");
  const command = settings.get("path");
  const problem = await find(command);
  if (problem) {
    // Not awaited: the message stays until somebody answers.
    void report(problem);
    return;
  }
  const server = { command, args: argumentsOf(settings.get("config")) };
  client = new LanguageClient("deployer", "deployer", server, {
    documentSelector: selectorOf(settings.get("files")),
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    void report(`deployer: the language server could not be started: ${error.message}`);
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

function restart() {
  pending = pending.then(stop).then(start);
  return pending;
}

async function activate(context) {
  context.subscriptions.push(
    commands.registerCommand("deployer.restart", restart),
    workspace.onDidChangeConfiguration((change) => {
      if (["path", "files", "config"].some((name) => change.affectsConfiguration(`deployer.${name}`))) {
        return restart();
      }
    }),
  );
  await restart();
}

function deactivate() {
  return pending.then(stop);
}

module.exports = { activate, deactivate };
