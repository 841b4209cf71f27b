// The extraction as a careful Node.js program: reads the object as a stream, splits rows, puts ten events in each call,
// keeps a few connections, and has nothing but what Node.js brings. Its requests are not signed, which would make it slower.

import http from "node:http";
import { createHash } from "node:crypto";

const { AWS_ENDPOINT_URL, EVENT_BUS_NAME, EVENT_SOURCE, OBJECT } = process.env;
const object = JSON.parse(OBJECT);
const ENTRIES = 10;
const IN_FLIGHT = 8;
const agent = new http.Agent({ keepAlive: true, maxSockets: IN_FLIGHT + 1 });
const place = new URL(AWS_ENDPOINT_URL);
const about = JSON.stringify(object);

function put(entries) {
  const body = Buffer.from(`{"Entries":[${entries.join(",")}]}`);
  return new Promise((resolve, reject) => {
    const request = http.request({
      agent, host: place.hostname, port: place.port, method: "POST", path: "/",
      headers: {
        "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents",
        "content-length": body.length,
      },
    }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => {
        const { FailedEntryCount } = JSON.parse(Buffer.concat(pieces));
        if (FailedEntryCount) reject(new Error("not accepted")); else resolve();
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

const bus = JSON.stringify(EVENT_BUS_NAME), source = JSON.stringify(EVENT_SOURCE);

function entry(detailType, detail) {
  return `{"EventBusName":${bus},"Source":${source},"DetailType":"${detailType}","Detail":${JSON.stringify(detail)}}`;
}

const inFlight = new Set();
let pending = [];

async function flush() {
  const call = put(pending).finally(() => inFlight.delete(call));
  pending = [];
  inFlight.add(call);
  if (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
}

// The end of the row that begins at `from`: a line end outside of quotes.
function endOfRow(text, from) {
  let quoted = false;
  for (let at = from; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === 34) quoted = !quoted;
    else if (character === 10 && !quoted) return at;
  }
  return -1;
}

const body = await new Promise((resolve, reject) => {
  http.get({ agent, host: place.hostname, port: place.port, path: `/${object.bucket}/${object.key}` }, resolve).on("error", reject);
});
body.setEncoding("utf8");
let rest = "", headers, row = 0, bytes = 0;
for await (const piece of body) {
  bytes += Buffer.byteLength(piece);
  rest += piece;
  let from = 0;
  for (let end; (end = endOfRow(rest, from)) >= 0; from = end + 1) {
    const line = rest.slice(from, rest[end - 1] === "\r" ? end - 1 : end);
    if (headers === undefined) { headers = JSON.stringify(line); continue; }
    row++;
    const id = createHash("sha256").update(`${about}${row}`).digest("hex").slice(0, 32);
    pending.push(entry("s3RecordExtraction",
      `{"status":"extracted","object":${about},"record":{"index":${row},"id":"${id}"},"headers":${headers},"data":${JSON.stringify(line)}}`));
    if (pending.length === ENTRIES) await flush();
  }
  rest = rest.slice(from);
}
pending.push(entry("s3ExtractionCompleted", JSON.stringify({ status: "completed", object, rows: row, bytes, rejected: 0 })));
await flush();
await Promise.all(inFlight);
agent.destroy();
