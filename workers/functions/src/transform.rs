//! `transform`: `record-extracted` becomes `record-transformed`.
//!
//! All it needs is in the event, so nothing can fail but the data and the bus.

use contract::settings::TransformSettings;
use contract::{Detail, FailedStage, Reason, row};
use publisher::{Publisher, PutEvents};

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

    /// The one event that comes of a message.
    fn outcome(&self, delivery: &Delivery) -> Detail {
        let (object, record, headers, data) = match delivery.event() {
            Ok(Detail::RecordExtracted { object, record, headers, data }) => (object, record, headers, data),
            Ok(other) => {
                let message = format!("`{}` is nothing to transform", other.detail_type());
                let (object, record) = (other.object().cloned(), other.record().cloned());
                return self.stage.failed(object, record, Reason::MalformedEvent, message);
            }
            Err(malformed) => return self.stage.malformed(*malformed),
        };
        let item = row::decode(&headers)
            .and_then(|headers| Ok((headers, row::decode(&data)?)))
            .map_err(|error| (Reason::MalformedEvent, error.to_string()))
            .and_then(|(headers, data)| mapping::transform(&self.settings, &headers, &data));
        match item {
            Ok(data) => Detail::RecordTransformed { object, record, data },
            Err((reason, message)) => self.stage.failed(Some(object), Some(record), reason, message),
        }
    }
}

impl<P: PutEvents> Handler for Transform<P> {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let verdicts = deliveries.iter().map(|delivery| Verdict::from(self.outcome(delivery))).collect();
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
        Detail::RecordTransformed { object: object(), record: object().record(index), data }
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
