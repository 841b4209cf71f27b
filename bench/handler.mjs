// `transform` as a Node.js function: the same rows, the same events, nothing but what Node.js brings. The AWS SDK is not
// in here, which would make it slower: PutEvents is sent by `fetch`, unsigned.

const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const { AWS_ENDPOINT_URL, EVENT_BUS_NAME, EVENT_SOURCE, SETTINGS } = process.env;
const { fields } = JSON.parse(SETTINGS);
const ENTRIES = 10;
const IN_FLIGHT = 8;

// The fields of one RFC 4180 record.
function decode(text) {
  const fields = [];
  let field = "", quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') field += character;
      else if (text[at + 1] === '"') { field += '"'; at++; } else quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === ",") { fields.push(field); field = ""; } else field += character;
  }
  fields.push(field);
  return fields;
}

function entry(record) {
  const { object, record: row, headers, data } = JSON.parse(record.body).detail;
  const columns = decode(headers), values = decode(data), item = {};
  for (const { name, from, required } of fields) {
    const value = values[columns.indexOf(from)];
    if (required && !value) throw new Error("missing value");
    item[name] = value;
  }
  return {
    EventBusName: EVENT_BUS_NAME, Source: EVENT_SOURCE, DetailType: "transform",
    Detail: JSON.stringify({ status: "transformed", object, record: row, data: item }),
  };
}

async function put(records) {
  const answer = await fetch(AWS_ENDPOINT_URL, {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents" },
    body: JSON.stringify({ Entries: records.map(entry) }),
  });
  const { FailedEntryCount } = await answer.json();
  return FailedEntryCount ? records.map(({ messageId }) => ({ itemIdentifier: messageId })) : [];
}

async function handler({ Records }) {
  const batches = [];
  for (let at = 0; at < Records.length; at += ENTRIES) batches.push(Records.slice(at, at + ENTRIES));
  const failures = [];
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    for (let batch; (batch = batches.shift());) failures.push(...await put(batch));
  }));
  return { batchItemFailures: failures };
}

for (;;) {
  const invocation = await fetch(`${runtime}/next`);
  const id = invocation.headers.get("lambda-runtime-aws-request-id");
  const answer = await handler(await invocation.json());
  const sent = await fetch(`${runtime}/${id}/response`, { method: "POST", body: JSON.stringify(answer) });
  await sent.arrayBuffer();
}
