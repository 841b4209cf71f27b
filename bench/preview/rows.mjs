// Rows of a CSV to items of DynamoDB: `csv-parse` and the AWS SDK's `marshall`. Writes one item a line to stdout.

import { createReadStream } from "node:fs";
import { parse } from "csv-parse";
import { marshall, NumberValueImpl } from "@aws-sdk/util-dynamodb";

const number = (text) => {
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new Error("not a number");
  return NumberValueImpl.from(text); // exact, unlike a number of JavaScript
};
const instant = (text) => {
  const time = new Date(text.replace(" ", "T") + "Z");
  return time.toISOString().replace(".000Z", "Z");
};

const rows = createReadStream(process.argv[2]).pipe(parse({ columns: true }));
let out = [];
let size = 0;
for await (const row of rows) {
  const item = {
    id: row.id,
    customer: row.customer,
    placed: instant(row.placed),
    shipped: instant(row.shipped),
    quantity: number(row.quantity),
    price: number(row.price),
    discount: number(row.discount),
    weight: number(row.weight),
    paid: row.paid === "true",
    country: row.country,
    comment: row.comment,
    address: row.address,
  };
  const line = JSON.stringify({ Item: marshall(item) }) + "\n";
  out.push(line);
  size += line.length;
  if (size > 1 << 20) {
    if (!process.stdout.write(out.join(""))) await new Promise((done) => process.stdout.once("drain", done));
    out = [];
    size = 0;
  }
}
process.stdout.write(out.join(""));
