"""A stand-in for S3, EventBridge, KMS and DynamoDB on 127.0.0.1 that costs less than the programs that are measured
with it.

GetObject returns files that don't exist: each byte follows from its offset, so a file of any size takes no memory. The
key gives the size, `ROWSxWIDTH.csv`; the rows of `ROWSxWIDTHr.csv` repeat, and some of them span two lines, which takes
less time to make. PutEvents accepts every entry and counts it, and every data key is the same. DynamoDB takes every
write, and has no item. All use HTTP/1.1 on one port, shared by a few processes. Nothing else is
implemented: bodies are not parsed, signatures not checked.
"""

import asyncio
import base64
import functools
import multiprocessing
import os
import re
import signal
import socket

HEADER = b"ID,HouseNum,Street,Town,Zip,Note\r\n"
# One field needs its quotes: a reader that only splits at commas would be wrong.
ROW = b'%%010d,%%02d,"Main Street %%010d, Flat 7",Town %%010d,07030,%s\r\n'
# Bytes of a row without its filler.
SMALLEST = len(ROW % b"" % (0, 0, 0, 0))
KEY = re.compile(rb"/(\d+)x(\d+)(r?)\.csv(?:\?|$)")
# The number after the name of an event source, by which its events are counted apart: 0 to 9.
SOURCE = re.compile(rb'"Source" *: *"bench-(\d)"')
SOURCES = 10
# Bytes that are generated at once.
BLOCK = 256 * 1024


def key(rows, width, repeating=False):
    """Returns the key of the file with that many rows of `width` bytes each."""
    assert width >= SMALLEST, width
    return f"{rows}x{width}{'r' if repeating else ''}.csv"


def length(rows, width):
    """Returns the number of bytes of that file."""
    return len(HEADER) + rows * width


def content(rows, width, start, end):
    """Yields the bytes of that file from `start` to before `end`, in blocks."""
    if start < len(HEADER):
        yield HEADER[start:end]
    template = ROW % (b"x" * (width - SMALLEST))
    many = max(1, BLOCK // width)
    start, end = max(start - len(HEADER), 0), end - len(HEADER)
    while start < end:
        first = start // width
        last = min(first + many, rows)
        block = b"".join([template % (row, row % 97, row, row) for row in range(first + 1, last + 1)])
        yield block[start - first * width:end - first * width]
        start = last * width


@functools.lru_cache(maxsize=4)
def repeated(rows, width):
    """Returns the rows that a file repeats: a tenth of them contain a line end."""
    template = ROW % (b"x" * (width - SMALLEST))
    block = [template % (row, row % 97, row, row) for row in range(1, min(rows, 4 * BLOCK // width + 1) + 1)]
    return b"".join(row.replace(b", Flat", b",\nFlat") if n % 10 == 3 else row for n, row in enumerate(block))


def repeating_content(rows, width, start, end):
    """Yields the bytes of a file whose rows repeat, from `start` to before `end`, in blocks."""
    if start < len(HEADER):
        yield HEADER[start:end]
    block = memoryview(repeated(rows, width))
    start, end = max(start - len(HEADER), 0), end - len(HEADER)
    while start < end:
        place = start % len(block)
        piece = block[place:place + min(end - start, BLOCK)]
        yield piece
        start += len(piece)


def accepted(entries):
    """Returns the answer of PutEvents to that many entries."""
    each = b'{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}'
    return answer(b'{"FailedEntryCount":0,"Entries":[%s]}' % b",".join([each] * entries))


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Connection(asyncio.Protocol):
    """One connection: requests one after another."""

    answers = [accepted(entries) for entries in range(11)]
    nothing = answer(b"{}")
    # 32 bytes, and as many as KMS makes of them.
    data_key = answer(b'{"CiphertextBlob":"%s","Plaintext":"%s","KeyId":"bench"}' % (
        base64.b64encode(bytes(184)), base64.b64encode(bytes(range(32)))))

    def __init__(self, counts, requests, slot):
        self.counts, self.requests, self.slot = counts, requests, slot * SOURCES
        self.received = bytearray()
        self.needed = 0
        self.paused = False
        self.blocks = iter(())

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=4 * BLOCK)

    def data_received(self, data):
        self.received += data
        while len(self.received) > self.needed:
            head = self.received.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = bytes(self.received[:head])
            found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", lines)
            total = head + 4 + (int(found[1]) if found else 0)
            if len(self.received) < total:
                # Not read again before the body is complete.
                self.needed = total - 1
                return
            body = bytes(self.received[head + 4:total])
            del self.received[:total]
            self.needed = 0
            self.requests[self.slot // SOURCES] += 1
            if re.search(rb"(?i)\r\nx-amz-target: *TrentService.GenerateDataKey", lines):
                self.transport.write(self.data_key)
            elif re.search(rb"(?i)\r\nx-amz-target: *DynamoDB_", lines):
                self.transport.write(self.nothing)
            elif lines.startswith(b"POST"):
                # Within a detail, the quotes are escaped, and this isn't found.
                entries = body.count(b'"DetailType"')
                source = SOURCE.search(body)
                self.counts[self.slot + (int(source[1]) if source else 0)] += entries
                self.transport.write(self.answers[entries])
            else:
                self.get(lines)

    def get(self, lines):
        method, target = lines.split(b" ", 2)[:2]
        found = KEY.search(target)
        if not found:
            self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        rows, width, of = int(found[1]), int(found[2]), repeating_content if found[3] else content
        size = length(rows, width)
        asked = re.search(rb"(?i)\r\nrange: *bytes=(\d+)-(\d*)", lines)
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
        status = b"206 Partial Content\r\nContent-Range: bytes %d-%d/%d" % (start, end - 1, size) if asked else b"200 OK"
        self.transport.write(
            b"HTTP/1.1 %s\r\nContent-Type: text/csv\r\nAccept-Ranges: bytes\r\nETag: \"%dx%d\"\r\n"
            b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n"
            % (status, rows, width, end - start))
        if method == b"GET":
            self.blocks = of(rows, width, start, end)
            self.pump()

    def pump(self):
        # A task stops in the middle of a range when its part ends.
        while not self.paused and not self.transport.is_closing():
            block = next(self.blocks, None)
            if block is None:
                return
            self.transport.write(block)

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self.pump()

    def connection_lost(self, _):
        self.blocks = iter(())
        self.paused = True


def listener(port, backlog=None):
    """Returns a socket of the port that all processes share; the kernel divides connections among those that listen."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened.bind(("127.0.0.1", port))
    if backlog:
        opened.listen(backlog)
    return opened


def serve(opened, counts, requests, slot):
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def forever():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(counts, requests, slot), sock=opened)
        await server.serve_forever()

    asyncio.run(forever())


class Sink:
    """The stand-in, from `with` to its end."""

    def __init__(self, processes=2):
        self.counts = multiprocessing.Array("Q", processes * SOURCES, lock=False)
        self.asked = multiprocessing.Array("Q", processes, lock=False)
        # All listen before any is served, so that one of them answers every connection.
        first = listener(0, 128)
        self.endpoint = "http://127.0.0.1:%d" % first.getsockname()[1]
        sockets = [first] + [listener(first.getsockname()[1], 128) for _ in range(processes - 1)]
        # Forked, since a process holds its socket.
        context = multiprocessing.get_context("fork")
        self.processes = [
            context.Process(target=serve, args=(opened, self.counts, self.asked, slot), daemon=True)
            for slot, opened in enumerate(sockets)]
        for process in self.processes:
            process.start()
        for opened in sockets:
            opened.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()

    def entries(self, source=None):
        """Returns the number of entries that were put so far; those of the source `bench-N` alone, if N is given."""
        return sum(self.counts if source is None else self.counts[source::SOURCES])

    def requests(self):
        """Returns the number of requests of any kind so far."""
        return sum(self.asked)

    def processor(self):
        """Returns the processor seconds of its processes so far."""
        ticks = 0
        for process in self.processes:
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def environment(self):
        """Returns the variables that make an AWS client call the stand-in and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_EC2_METADATA_DISABLED": "true",
            "EVENT_BUS_NAME": "events", "EVENT_SOURCE": "bench",
        }
