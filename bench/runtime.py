"""Lambda's Runtime API for one function, on 127.0.0.1: the requests of the function, and their times."""

import selectors
import socket
import subprocess
import time

import measure

PATIENCE = 30  # seconds: longer than any batch takes


class Runtime:
    """A process that takes its invocations from here; `with` starts and ends it."""

    def __init__(self, command, environment):
        self.command, self.environment = command, environment
        self.waiting = None
        self.selector = selectors.DefaultSelector()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.selector.register(self.listener, selectors.EVENT_READ)
        environment = self.environment | {
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.listener.getsockname()[1],
            "AWS_LAMBDA_FUNCTION_NAME": "bench", "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        }
        started = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._next()
        except BaseException:
            self._end()
            raise
        self.init = time.perf_counter() - started
        return self

    def __exit__(self, *_):
        self._end()

    def _end(self):
        self.process.kill()
        self.process.wait()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _request(self):
        """Returns the next request on any connection: its first line and its body. Sets `waiting` to the connection
        of its answer."""
        while True:
            ready = self.selector.select(PATIENCE)
            if not ready:
                raise SystemExit(f"{self.command} asked nothing for {PATIENCE} seconds")
            connection = ready[0][0].fileobj
            if connection is self.listener:
                accepted, _ = connection.accept()
                accepted.settimeout(PATIENCE)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.selector.register(accepted, selectors.EVENT_READ)
                continue
            # A connection has one request at a time, so nothing of a next one is lost with the buffer.
            stream = connection.makefile("rb")
            line = stream.readline()
            if line:
                self.waiting = connection
                break
            self.selector.unregister(connection)
            connection.close()
        size, chunked = 0, False
        while (header := stream.readline().strip()):
            name, _, value = header.lower().partition(b":")
            size = int(value) if name == b"content-length" else size
            chunked |= name == b"transfer-encoding"
        body = b""
        if chunked:
            while (many := int(stream.readline().split(b";")[0], 16)):
                body += stream.read(many)
                stream.readline()
            stream.readline()
        elif size:
            body = stream.read(size)
        return line.decode(), body

    def _next(self):
        line, _ = self._request()
        assert line.startswith("GET /2018-06-01/runtime/invocation/next"), line

    def invoke(self, payload):
        """Gives the function this payload. Returns its answer, and the seconds until it came."""
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {0}\r\n"
            "Lambda-Runtime-Deadline-Ms: {1}\r\nLambda-Runtime-Trace-Id: Root=1-00000000-000000000000000000000000\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:bench\r\n"
            "Content-Length: {2}\r\n\r\n").format(
                "8476a536-e9f4-11e8-9739-2dfe598c3fcd", int((time.time() + PATIENCE) * 1000), len(payload))
        started = time.perf_counter()
        self.waiting.sendall(head.encode() + payload)
        line, answer = self._request()
        seconds = time.perf_counter() - started
        assert line.startswith("POST ") and line.split()[1].endswith("/response"), (line, answer)
        self.waiting.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        self._next()
        return answer, seconds

    def peak(self):
        """Returns the most MiB of memory so far."""
        return measure.high_water(self.process.pid)
