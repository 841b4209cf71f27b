use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use proptest::prelude::*;

use super::*;

/// The signature as the SDK's own signer makes it.
fn reference(
    service: &'static str,
    credentials: &Credentials,
    seconds: u64,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let identity = aws_credential_types::Credentials::new(
        &credentials.id,
        credentials.secret.as_str(),
        None,
        None,
        "test",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::Headers;
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name(service)
        .time(UNIX_EPOCH + Duration::from_secs(seconds))
        .settings(settings)
        .build()
        .expect("complete")
        .into();
    let headers = headers.iter().filter(|(name, _)| *name != "x-amz-date").copied();
    let request = SignableRequest::new(method, uri, headers, SignableBody::Bytes(body)).expect("a request");
    let output = sign(request, &params).expect("signed").into_parts().0;
    let mut headers = output.headers();
    headers
        .find_map(|(name, value)| (name == "authorization").then(|| value.to_owned()))
        .expect("a signature")
}

fn own(
    service: &'static str,
    credentials: &Arc<Credentials>,
    seconds: u64,
    (method, path, query): (&str, &str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let stamp = Stamp::new(UNIX_EPOCH + Duration::from_secs(seconds));
    let body = sha256_hex(body);
    let signed = Signed { method, path, query, headers, body: &body };
    Signer::new("eu-west-1", service).authorization(credentials, &stamp, &signed)
}

#[test]
fn the_example_of_the_documentation_is_signed_as_there() {
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "GET Object"
    let credentials =
        Arc::new(Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None));
    let empty = sha256_hex(b"");
    let headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", &*empty),
        ("x-amz-date", "20130524T000000Z"),
    ];
    let signed = Signed { method: "GET", path: "/test.txt", query: "", headers: &headers, body: &empty };
    let stamp = Stamp::new(UNIX_EPOCH + Duration::from_secs(1_369_353_600));
    let signer = Signer::new("us-east-1", "s3");
    for _ in 0..2 {
        assert_eq!(
            signer.authorization(&credentials, &stamp, &signed),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }
}

#[test]
fn the_key_follows_the_day_and_the_credentials() {
    let signer = Signer::new("eu-west-1", "events");
    let [first, second] = ["one", "two"].map(|secret| Arc::new(Credentials::new("id", secret, None)));
    let headers = [("host", "h"), ("x-amz-date", "d")];
    let signed = Signed { method: "POST", path: "/", query: "", headers: &headers, body: "" };
    let sign = |signer: &Signer, credentials: &Arc<Credentials>, seconds: u64| {
        let stamp = Stamp::new(UNIX_EPOCH + Duration::from_secs(seconds));
        signer.authorization(credentials, &stamp, &signed)
    };
    for (credentials, seconds) in
        [(&first, 0), (&second, 0), (&second, 86_400), (&first, 0), (&first, 86_400)]
    {
        let fresh = Signer::new("eu-west-1", "events");
        assert_eq!(sign(&signer, credentials, seconds), sign(&fresh, credentials, seconds));
    }
}

proptest! {
    #[test]
    fn calls_are_signed_as_the_sdk_signs_them(
        seconds in 1_000_000_000..4_000_000_000_u64,
        (id, secret) in ("[A-Z0-9]{16,20}", "[A-Za-z0-9/+]{40}"),
        token in proptest::option::of("[A-Za-z0-9/+=]{1,80}"),
        target in "[A-Za-z_0-9]{1,20}\\.[A-Za-z]{1,20}",
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let credentials = Arc::new(Credentials::new(id, secret, None));
        let stamp = Stamp::new(UNIX_EPOCH + Duration::from_secs(seconds));
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("host", "events.eu-west-1.amazonaws.com"),
            ("x-amz-date", stamp.text()),
        ];
        if let Some(token) = &token {
            headers.push(("x-amz-security-token", token));
        }
        headers.push(("x-amz-target", &target));
        let uri = "https://events.eu-west-1.amazonaws.com/";
        prop_assert_eq!(
            own("events", &credentials, seconds, ("POST", "/", ""), &headers, &body),
            reference("events", &credentials, seconds, "POST", uri, &headers, &body)
        );
    }

    #[test]
    fn objects_are_asked_for_as_the_sdk_asks(
        seconds in 1_000_000_000..4_000_000_000_u64,
        key in "[ -~]{1,30}|[\u{e4}\u{1f980}/+%?#&=' ]{1,12}",
        version in proptest::option::of("[A-Za-z0-9._+/=-]{1,40}"),
        etag in "\"[a-f0-9 ]{0,20}\"",
    ) {
        let credentials = Arc::new(Credentials::new("id", "secret", None));
        let stamp = Stamp::new(UNIX_EPOCH + Duration::from_secs(seconds));
        let (mut path, mut query) = ("/".to_owned(), "x-id=GetObject".to_owned());
        push_encoded(&mut path, &key, true);
        if let Some(version) = &version {
            query.insert(0, '&');
            let mut first = "versionId=".to_owned();
            push_encoded(&mut first, version, false);
            query.insert_str(0, &first);
        }
        let headers = [
            ("host", "b.s3.eu-west-1.amazonaws.com"),
            ("if-match", etag.as_str()),
            ("range", "bytes=0-9"),
            ("x-amz-date", stamp.text()),
        ];
        let uri = format!("https://b.s3.eu-west-1.amazonaws.com{path}?{query}");
        prop_assert_eq!(
            own("s3", &credentials, seconds, ("GET", &path, &query), &headers, b""),
            reference("s3", &credentials, seconds, "GET", &uri, &headers, b"")
        );
    }
}
