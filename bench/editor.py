"""How long the language server takes to answer while a file is edited."""

import json
import random
import statistics
import subprocess
import time

from measure import high_water

URI = "file:///generated/stack.yaml"
METHODS = ("completion", "hover", "definition", "references", "documentHighlight", "documentSymbol", "codeAction")


class Server:
    """A language server with one open document."""

    def __init__(self, deployer, text):
        self.process = subprocess.Popen([deployer, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.last, self.version = 0, 1
        self.ask("initialize", {"capabilities": {}})
        self.tell("initialized", {})
        document = {"uri": URI, "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        self.published(1)

    def send(self, message):
        """Sends a message."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def read(self):
        """Reads a message."""
        length = 0
        while (line := self.process.stdout.readline().strip()):
            name, value = line.split(b": ")
            length = int(value) if name == b"Content-Length" else length
        return json.loads(self.process.stdout.read(length))

    def tell(self, method, params):
        """Sends a notification."""
        self.send({"method": method, "params": params})

    def ask(self, method, params):
        """Sends a request, and returns its answer."""
        self.last += 1
        self.send({"id": self.last, "method": method, "params": params})
        while (message := self.read()).get("id") != self.last:
            pass
        assert "error" not in message, message
        return message["result"]

    def published(self, version):
        """Waits for the problems of a version, and returns them."""
        while True:
            params = self.read().get("params", {})
            if params.get("version") == version and "diagnostics" in params:
                return params["diagnostics"]

    def insert(self, line, character, text):
        """Inserts a text."""
        self.version += 1
        place = {"line": line, "character": character}
        change = {"range": {"start": place, "end": place}, "text": text}
        document = {"uri": URI, "version": self.version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def end(self):
        """Ends the session."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        assert self.process.wait() == 0


def session(deployer, text, runs):
    """Measures the answers to each kind of request, each after a change of the text, and the check of a changed file."""
    server = Server(deployer, text)
    lines = text.splitlines()
    order = random.Random(7)
    seconds = {method: [] for method in METHODS}
    checks = []
    for _ in range(runs):
        for method in METHODS:
            line = order.randrange(3, len(lines))
            place = {"line": line, "character": order.randrange(len(lines[line]) + 1)}
            server.insert(0, 0, "#\n")
            server.insert(0, 1, " x")
            params = {"textDocument": {"uri": URI}, "position": place | {"line": line + server.version // 2}}
            if method == "codeAction":
                # The problems of the changed text are known before an editor asks for what solves them.
                started = time.perf_counter()
                server.published(server.version)
                checks.append(time.perf_counter() - started)
                params |= {"range": {"start": params["position"], "end": params["position"]}, "context": {"diagnostics": []}}
            started = time.perf_counter()
            server.ask(f"textDocument/{method}", params)
            seconds[method].append(time.perf_counter() - started)
    peak = high_water(server.process.pid)
    server.end()
    for method, measured in (*seconds.items(), ("check, with its pause", checks)):
        worst = max(measured) * 1000
        print(f"{method:<24} median {statistics.median(measured) * 1000:7.2f} ms   most {worst:7.2f} ms")
    print(f"{'peak of memory':<24} {peak:14.1f} MiB")
