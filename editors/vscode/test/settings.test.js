"use strict";

const assert = require("node:assert/strict");
const { mkdtempSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { test } = require("node:test");

const manifest = require("../package.json");
const { argumentsOf, find, selectorOf } = require("../settings");

const folder = mkdtempSync(join(tmpdir(), "deployer-vscode-"));

function program(name, text, mode = 0o755) {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode });
  return path;
}

test("config values come before the command", () => {
  assert.deepEqual(argumentsOf([]), ["lsp"]);
  assert.deepEqual(argumentsOf(["a=1", "b=x y"]), ["--config", "a=1", "--config", "b=x y", "lsp"]);
});

test("files are selected by patterns", () => {
  const selector = selectorOf(["**/stack.yaml", "**/*.stack.yaml"]);
  assert.deepEqual(selector.map((one) => one.pattern), ["**/stack.yaml", "**/*.stack.yaml"]);
});

test("a program that can't be used is explained", async () => {
  assert.match(await find(join(folder, "absent")), /there is no program ".*absent"; install it, or set "deployer.path"/);
  assert.match(await find(program("text", "", 0o644)), /can't be executed/);
  assert.match(await find(program("old", "exit 2")), /has no language server/);
  assert.match(await find(program("broken", "exit 1")), /does not start/);
  assert.equal(await find(program("good", "[ \"$1\" = lsp ]")), undefined);
});

test("every setting that is read is in the manifest", () => {
  const { readFileSync } = require("node:fs");
  const source = readFileSync(join(__dirname, "..", "extension.js"), "utf8");
  const read = [...source.matchAll(/settings\.get\("(\w+)"\)/g)].map((match) => `deployer.${match[1]}`);
  const known = Object.keys(manifest.contributes.configuration.properties);
  assert.deepEqual(read.filter((name) => !known.includes(name)), []);
  assert.equal(new Set(read).size, 3);
  assert.ok(source.includes(`"${manifest.contributes.commands[0].command}"`));
});

// With the program: the library that VS Code speaks with, and the real server.
test("the client library of VS Code understands the server", { skip: !process.env.DEPLOYER }, async () => {
  const { spawn } = require("node:child_process");
  const protocol = require("vscode-languageserver-protocol/node");
  assert.equal(await find(process.env.DEPLOYER), undefined);
  const child = spawn(process.env.DEPLOYER, argumentsOf([]), { stdio: ["pipe", "pipe", "inherit"] });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const connection = protocol.createProtocolConnection(child.stdout, child.stdin);
  const published = new Promise((resolve) => {
    connection.onNotification(protocol.PublishDiagnosticsNotification.type, resolve);
  });
  connection.listen();
  const { capabilities } = await connection.sendRequest(protocol.InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    capabilities: {},
  });
  assert.equal(capabilities.textDocumentSync.change, protocol.TextDocumentSyncKind.Incremental);
  await connection.sendNotification(protocol.InitializedNotification.type, {});
  const uri = "file:///project/stack.yaml";
  const text = "name: shop\nstacks: { local: { target: local } }\nresources:\n  jobs: { type: qeue }\n";
  await connection.sendNotification(protocol.DidOpenTextDocumentNotification.type, {
    textDocument: { uri, languageId: "yaml", version: 1, text },
  });
  const { diagnostics } = await published;
  assert.equal(diagnostics[0].code, "E0109");
  const actions = await connection.sendRequest(protocol.CodeActionRequest.type, {
    textDocument: { uri },
    range: diagnostics[0].range,
    context: { diagnostics },
  });
  assert.equal(actions[0].edit.changes[uri][0].newText, "queue");
  const completion = await connection.sendRequest(protocol.CompletionRequest.type, {
    textDocument: { uri },
    position: diagnostics[0].range.end,
  });
  assert.ok(completion.items.some((item) => item.label === "queue"));
  await connection.sendRequest(protocol.ShutdownRequest.type);
  await connection.sendNotification(protocol.ExitNotification.type);
  assert.equal(await exited, 0);
});
