//! Makes a small picture of each that is uploaded.

use std::io::Cursor;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use image::{ImageFormat, ImageReader, Limits};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Largest picture that is read, in bytes, and how much memory it may take once unpacked.
const MAX_BYTES: u64 = 32 << 20;
const MAX_MEMORY: u64 = 512 << 20;

struct Settings {
    thumbs: String,
    size: u32,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let settings = Settings { thumbs: std::env::var("THUMBS")?, size: std::env::var("SIZE")?.parse()? };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        // Boxed: the futures of SDK calls are nested too deeply for the compiler.
        Box::pin(handle(&client, &settings, event.payload))
    }))
    .await
}

/// An event of S3, which may name several objects. An error brings it again, and then to the queue for failures.
async fn handle(client: &Client, settings: &Settings, event: Value) -> Result<(), Error> {
    for record in records(&event)? {
        let s3 = &record["s3"];
        let bucket = s3["bucket"]["name"].as_str().ok_or("the event names no bucket")?;
        let key = decode(s3["object"]["key"].as_str().ok_or("the event names no object")?)?;
        if s3["object"]["size"].as_u64().unwrap_or_default() > MAX_BYTES {
            tracing::warn!(key, "too large for a thumbnail");
            continue;
        }
        let object = client.get_object().bucket(bucket).key(&key).send().await?;
        let bytes = object.body.collect().await?.into_bytes();
        let small = match thumbnail(&bytes, settings.size) {
            Ok(small) => small,
            // Again it would be no better.
            Err(error) => {
                tracing::warn!(key, %error, "no picture that could be read");
                continue;
            }
        };
        client
            .put_object()
            .bucket(&settings.thumbs)
            .key(&key)
            .content_type("image/png")
            .body(small.into())
            .send()
            .await?;
        tracing::info!(key, "done");
    }
    Ok(())
}

/// What happened to objects. Anything else that starts the function is an error, so that it comes to the queue for failures.
fn records(event: &Value) -> Result<&[Value], Error> {
    let records = event["Records"].as_array().ok_or("the event is not a notification of S3")?;
    match records.iter().all(|record| record["eventSource"] == "aws:s3") {
        true => Ok(records),
        false => Err("the event has a record that is not of S3".into()),
    }
}

/// Keys in events are encoded as in a form.
fn decode(key: &str) -> Result<String, Error> {
    Ok(percent_decode_str(&key.replace('+', " ")).decode_utf8()?.into_owned())
}

/// The picture with `size` pixels on its longer side, as PNG.
fn thumbnail(bytes: &[u8], size: u32) -> image::ImageResult<Vec<u8>> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // A few bytes can say that they are a picture of any size.
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut out = Cursor::new(Vec::new());
    reader.decode()?.thumbnail(size, size).write_to(&mut out, ImageFormat::Png)?;
    Ok(out.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_becomes_small_and_keeps_its_shape() {
        let mut picture = Cursor::new(Vec::new());
        image::RgbImage::new(800, 400).write_to(&mut picture, ImageFormat::Png).expect("written");
        let small = thumbnail(&picture.into_inner(), 100).expect("a picture");
        let small = image::load_from_memory(&small).expect("a picture");
        assert_eq!((small.width(), small.height()), (100, 50));
        assert!(thumbnail(b"no picture", 100).is_err());
    }

    #[test]
    fn only_notifications_of_s3_are_taken() {
        let notification = serde_json::json!({ "Records": [{ "eventSource": "aws:s3" }] });
        assert_eq!(records(&notification).expect("a record").len(), 1);
        for other in [
            serde_json::json!({ "detail-type": "Object Created", "source": "aws.s3" }),
            serde_json::json!({ "Records": [{ "EventSource": "aws:sns" }] }),
            Value::Null,
        ] {
            assert!(records(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn keys_are_decoded() {
        assert_eq!(decode("in/a+b%2B%C3%BC.jpg").expect("UTF-8"), "in/a b+ü.jpg");
        assert!(decode("%ff").is_err());
    }
}
