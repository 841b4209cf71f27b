//! `transform`: `record-extracted` becomes `record-transformed`.
//!
//! All it needs is in the event, so nothing can fail but the data and the bus.

use contract::settings::TransformSettings;
use contract::{Detail, FailedStage, ObjectRef, Reason, RecordRef, row};
use publisher::{Publisher, PutEvents};
use serde_json::{Map, Value};

use crate::mapping;
use crate::messages::{Delivery, Handler, Outcome};
use crate::settle::{Stage, Verdict};

/// The function. See the module.
#[derive(Debug)]
pub struct Transform<P> {
    settings: TransformSettings,
    stage: Stage<P>,
}

impl<P: PutEvents> Transform<P> {
    /// Transforms by `settings` and publishes through `publisher`.
    pub const fn new(settings: TransformSettings, publisher: Publisher<P>) -> Self {
        Self { settings, stage: Stage::new(publisher, FailedStage::Transform) }
    }

    /// What comes of a message: one event, or of several rows one for each run of good ones and one for each bad one.
    fn outcome(&self, delivery: &Delivery) -> Vec<Detail> {
        let failed = |object, record, reason, message: String| {
            vec![self.stage.failed(object, record, reason, message)]
        };
        let (object, record, headers, data) = match delivery.event() {
            Ok(Detail::RecordExtracted { object, record, headers, data }) => (object, record, headers, data),
            Ok(other) => {
                let message = format!("`{}` is nothing to transform", other.detail_type());
                let (object, record) = (other.object().cloned(), other.record().cloned());
                return failed(object, record, Reason::MalformedEvent, message);
            }
            Err(malformed) => return vec![self.stage.malformed(*malformed)],
        };
        let rows = row::decode(&headers).and_then(|headers| Ok((headers, row::decode_all(&data)?)));
        let (headers, rows) = match rows {
            Ok(rows) => rows,
            Err(error) => {
                return failed(Some(object), Some(record), Reason::MalformedEvent, error.to_string());
            }
        };
        if rows.len() as u64 != record.count {
            let message = format!("the event says that it has {} rows, and has {}", record.count, rows.len());
            return failed(Some(object), Some(record), Reason::MalformedEvent, message);
        }
        let mut runs = Runs { object: &object, out: Vec::new(), bytes: 0 };
        for (index, row) in record.rows().zip(&rows) {
            match mapping::transform(&self.settings, &headers, row) {
                Ok(item) => runs.add(index, item),
                Err((reason, message)) => {
                    let record = Some(object.record(index));
                    runs.out.push(self.stage.failed(Some(object.clone()), record, reason, message));
                }
            }
        }
        runs.out
    }
}

/// Bytes of items in one event, unless a single one has more: what EventBridge bills as one, with room for the rest. Names
/// of attributes can make items much larger than the rows that they come from.
const MAX_RUN: usize = 60 * 1024;

/// Collects items of rows that follow each other in one event.
struct Runs<'a> {
    object: &'a ObjectRef,
    out: Vec<Detail>,
    /// Bytes of the items in the last event.
    bytes: usize,
}

impl Runs<'_> {
    fn add(&mut self, index: u64, item: Map<String, Value>) {
        let bytes = serde_json::to_vec(&item).map_or(MAX_RUN, |json| json.len());
        if let Some(Detail::RecordTransformed { record, data, .. }) = self.out.last_mut()
            && self.bytes + bytes <= MAX_RUN
        {
            self.bytes += bytes;
            data.push(item);
            record.count += 1;
            return;
        }
        self.bytes = bytes;
        let (object, record): (ObjectRef, RecordRef) = (self.object.clone(), self.object.record(index));
        self.out.push(Detail::RecordTransformed { object, record, data: vec![item] });
    }
}

impl<P: PutEvents> Handler for Transform<P> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let verdicts = deliveries
            .iter()
            .map(|delivery| Verdict { publish: self.outcome(delivery), unfinished: Vec::new() })
            .collect();
        self.stage.settle(deliveries, verdicts).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Bus, delivery, event, json_value, object};
    use proptest::prelude::*;

    fn function(bus: &Bus) -> Transform<Bus> {
        let settings = json!({ "fields": [{ "name": "id", "from": "ID", "required": true }, { "name": "note", "from": "Note" }] });
        Transform::new(serde_json::from_value(settings).expect("settings"), bus.publisher())
    }

    fn extracted(index: u64, headers: &str, data: &str) -> Detail {
        Detail::RecordExtracted {
            object: object(),
            record: object().record(index),
            headers: headers.into(),
            data: data.into(),
        }
    }

    fn transformed(index: u64, data: serde_json::Value) -> Detail {
        let serde_json::Value::Object(data) = data else { panic!("an object") };
        let (object, record) = (object(), object().record(index));
        Detail::RecordTransformed { object, record, data: vec![data] }
    }

    fn reason(detail: &Detail) -> Option<Reason> {
        match detail {
            Detail::Failed { stage: FailedStage::Transform, reason, .. } => Some(*reason),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_batch_of_good_rows_takes_one_call() {
        let bus = Bus::default();
        let deliveries = [
            delivery(event(&extracted(1, "ID,Note", "7,\"a, \"\"b\"\"\nc\"")), 1),
            delivery(event(&extracted(2, "Note,id", ",8")), 1),
        ];
        assert_eq!(function(&bus).handle(&deliveries).await, [Ok(()), Ok(())]);
        assert_eq!(
            bus.published(),
            [
                transformed(1, json!({ "id": "7", "note": "a, \"b\"\nc" })),
                transformed(2, json!({ "id": "8", "note": "" }))
            ]
        );
        assert_eq!(bus.calls(), 1);
    }

    #[tokio::test]
    async fn rows_of_one_event_stay_together_as_far_as_they_are_good() {
        let bus = Bus::default();
        let several = Detail::RecordExtracted {
            object: object(),
            record: object().records(7, 5),
            headers: "ID,Note".into(),
            data: "1,\"a\nb\"\n2,\n,x\n4,y\n5,z".into(),
        };
        assert_eq!(function(&bus).handle(&[delivery(event(&several), 1)]).await, [Ok(())]);
        let published = bus.published();
        let rows: Vec<_> = published
            .iter()
            .map(|detail| (reason(detail), detail.record().map(|record| (record.index, record.count))))
            .collect();
        assert_eq!(
            rows,
            [(None, Some((7, 2))), (Some(Reason::MissingValue), Some((9, 1))), (None, Some((10, 2)))]
        );
        let Detail::RecordTransformed { record, data, .. } = &published[0] else { panic!("items") };
        assert_eq!(record, &object().records(7, 2));
        assert_eq!(json!(data), json!([{ "id": "1", "note": "a\nb" }, { "id": "2", "note": "" }]));

        let wrong = Detail::RecordExtracted {
            object: object(),
            record: object().records(7, 3),
            headers: "ID".into(),
            data: "1\n2".into(),
        };
        function(&bus).handle(&[delivery(event(&wrong), 1)]).await;
        assert_eq!(bus.published().last().and_then(reason), Some(Reason::MalformedEvent));
    }

    #[tokio::test]
    async fn bad_data_is_reported_and_done() {
        let bus = Bus::default();
        let started = Detail::TaskStarted { object: object(), task: "t".into() };
        let deliveries = [
            delivery(event(&extracted(1, "ID", "\"\"")), 1),
            delivery(event(&extracted(2, "Other", "sEcReT")), 1),
            delivery(event(&extracted(3, "ID", "sEcReT\nsEcReT")), 1),
            delivery(event(&extracted(4, "ID", "a,sEcReT")), 1),
            delivery(json!("sEcReT"), 1),
            delivery(event(&started), 1),
        ];
        assert!(function(&bus).handle(&deliveries).await.iter().all(Result::is_ok));
        let published = bus.published();
        assert_eq!(
            published.iter().map(reason).collect::<Option<Vec<_>>>().expect("only failures"),
            [
                Reason::MissingValue,
                Reason::MissingColumn,
                Reason::MalformedEvent,
                Reason::RowLength,
                Reason::MalformedEvent,
                Reason::MalformedEvent,
            ]
        );
        assert_eq!(published[2].record().map(|record| record.index), Some(3));
        assert!(published.iter().all(|detail| !detail.to_value().to_string().contains("sEcReT")));
    }

    #[tokio::test]
    async fn what_the_bus_refuses_is_delivered_again_alone() {
        let bus = Bus::refusing(|detail| {
            detail.record().is_some_and(|record| record.index == 2) && reason(detail).is_none()
        });
        let deliveries: Vec<Delivery> =
            (1..=3).map(|index| delivery(event(&extracted(index, "ID", "1")), 3)).collect();
        let outcomes = function(&bus).handle(&deliveries).await;
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        // It was the last attempt of all three, so the one that failed is reported.
        let published = bus.published();
        assert_eq!(published.len(), 3);
        assert_eq!(reason(&published[2]), Some(Reason::RetriesExhausted));
        assert_eq!(published[2].record().map(|record| record.index), Some(2));
    }

    proptest! {
        #[test]
        fn any_message_gives_one_event(body in json_value(), headers in "[ID,\"\n]{0,6}", data in ".{0,6}|[,\"\n]{0,6}") {
            let function = function(&Bus::default());
            for body in [body, event(&extracted(1, &headers, &data))] {
                let _ = function.outcome(&delivery(body, 1));
            }
        }
    }
}
