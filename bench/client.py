"""The straightforward client: reads a CSV from S3 with `csv` and puts one event per row. Needs botocore.

Arguments: bucket and key. Prints rows, and seconds of wall and processor time of the loop alone, without its start.
"""

import codecs
import csv
import json
import os
import sys
import time

import botocore.session


def main():
    session = botocore.session.Session()
    s3, bus = session.create_client("s3"), session.create_client("events")
    body = s3.get_object(Bucket=sys.argv[1], Key=sys.argv[2])["Body"]
    wall, processor = time.perf_counter(), time.process_time()
    rows = 0
    for row in csv.DictReader(codecs.getreader("utf-8")(body)):
        rows += 1
        answer = bus.put_events(Entries=[{
            "EventBusName": os.environ["EVENT_BUS_NAME"],
            "Source": os.environ["EVENT_SOURCE"],
            "DetailType": "s3RecordExtraction",
            "Detail": json.dumps({"status": "extracted", "row": rows, "data": row}),
        }])
        assert answer["FailedEntryCount"] == 0, answer
    print(json.dumps({
        "rows": rows, "wall": time.perf_counter() - wall, "processor": time.process_time() - processor}))


if __name__ == "__main__":
    main()
