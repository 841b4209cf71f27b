//! `deployer upload --presign`: an upload that somebody without credentials can make.

use std::path::{Path, PathBuf};

use deployer_aws::cloudformation::CloudFormation;
use deployer_aws::dynamodb::tally::latest;
use deployer_aws::s3::objects::MAX_PUT_BYTES;
use deployer_aws::s3::presigned::{EndsBy, Form, MAX_VALIDITY, Put, Signer, Validity};
use deployer_base::error::{Error, Message, Result};
use deployer_base::output::Moment;
use deployer_base::text::quoted;
use deployer_base::{files, time};
use deployer_lang::model::ResourceType;
use deployer_syntax::units;
use schemars::JsonSchema;
use serde::Serialize;

use super::Args;
use crate::commands::outputs;
use crate::context::{Context, check_account};
use crate::existing;
use crate::html;
use crate::pipeline::{landing, physical};

/// Bytes of the longest key: Amazon S3 User Guide, "Naming Amazon S3 objects".
const MAX_KEY: usize = 1_024;
/// Text that S3 replaces by the name of the file in the key of a form: Amazon S3 API Reference, "POST Object".
const FILE_NAME: &str = "${filename}";

/// An upload that was signed, and not made.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresignedUpload<'a> {
    /// Name of the CloudFormation stack.
    stack: &'a str,
    /// Name of the bucket.
    bucket: &'a str,
    /// Key of the object.
    key: &'a str,
    /// `PUT`, or `POST` for a form.
    #[schemars(extend("enum" = ["PUT", "POST"]))]
    method: &'static str,
    /// The URL. Anybody who has it, and the headers or fields, can upload the object.
    url: &'a str,
    /// Headers of a `PUT`, which must be sent as they are; fields of a `POST`, before that of the file, named `file`.
    fields: Vec<Field<'a>>,
    /// The command line of a `PUT`; null for a form.
    command: Option<&'a str>,
    /// File of the page with the form; null for a `PUT`.
    form: Option<String>,
    /// The largest object, in bytes.
    max_bytes: u64,
    /// `true` if the upload may replace an object of that key.
    overwrites: bool,
    /// Time at which the signature ends: RFC 3339 in UTC.
    #[schemars(with = "Moment")]
    expires: String,
    /// `request`: at the time that was asked for. `credentials`: when the caller's credentials expire. `unknown`: at the time that
    /// was asked for or, if that is earlier, when the caller's temporary credentials expire.
    #[schemars(extend("enum" = ["request", "credentials", "unknown"]))]
    expires_with: &'static str,
}

/// A header or a field of a form.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "presignedField")]
struct Field<'a> {
    /// Its name.
    name: &'a str,
    /// Its value.
    value: &'a str,
}

/// Parses `--expires`.
pub fn validity(text: &str) -> std::result::Result<u64, String> {
    units::parse_duration(text)
        .filter(|seconds| (1..=MAX_VALIDITY).contains(seconds))
        .ok_or_else(|| "expected a duration such as 30m or 12h, of 7d at most".to_owned())
}

/// Parses `--max-size`.
pub fn size(text: &str) -> std::result::Result<u64, String> {
    units::parse_size(text)
        .filter(|bytes| (1..=MAX_PUT_BYTES).contains(bytes))
        .ok_or_else(|| "expected a size such as 100MiB, of 5GiB at most".to_owned())
}

pub async fn run(context: &Context, args: &Args) -> Result<()> {
    let stack = context.load_stack(args.stack.as_deref())?;
    let landing = landing(&stack, args.bucket.as_deref())?;
    let key = key(&args.path, args.key.as_deref())?;
    check(&key, args.form.is_some())?;
    super::check_key(&stack, landing, &key)?;
    let ResourceType::Bucket(model) = &landing.is else {
        return Err(Error::Usage(Message::new(format!("`{}` is not a bucket", landing.name))));
    };
    let session = context.connect(&stack.target).await?;
    check_account(&stack.target, &session)?;
    let cloudformation = CloudFormation::new(&session);
    outputs::deployed(&cloudformation, &stack).await?;
    let resources = existing::resources(&cloudformation, &session, &stack).await?;
    let bucket = physical(&resources, &stack, &landing.name)?;
    if !args.overwrite && latest(&session, bucket, &key).await?.is_some() {
        return Err(Error::Refused(
            Message::new(format!("s3://{bucket}/{key} exists, and the upload would replace it"))
                .hint("give another key with `--key`, or allow it with `--overwrite`"),
        ));
    }
    let signer = Signer::new(&session, args.expires).await?;
    let document = |method, url, fields: Vec<Field<'_>>, command, form: Option<&PathBuf>| {
        let (name, max_bytes) = (&stack.name, if form.is_some() { args.max_size } else { MAX_PUT_BYTES });
        context.ui.json(PresignedUpload {
            stack: name,
            bucket,
            key: &key,
            method,
            url,
            fields,
            command,
            form: form.map(|form| form.display().to_string()),
            max_bytes,
            overwrites: args.overwrite || form.is_some(),
            expires: time::rfc3339(signer.validity.until),
            expires_with: ends_with(signer.validity.ends_by),
        })
    };
    match &args.form {
        None => {
            let put = signer.put(&session, bucket, &key, args.overwrite).await?;
            let command = curl(&put, &key);
            if context.ui.is_json() {
                let fields = put.headers.iter().map(|(name, value)| Field { name, value }).collect();
                return document("PUT", &put.url, fields, Some(&command), None);
            }
            context.ui.data(&format!("{command}\n"))?;
        }
        Some(path) => {
            let form = signer.form(&session, bucket, &key, args.max_size).await?;
            let page = page(&form, &key, args.max_size, signer.validity.until);
            files::write_whole(path, page)?;
            if context.ui.is_json() {
                let fields = form.fields.iter().map(|(name, value)| Field { name, value }).collect();
                return document("POST", &form.url, fields, None, Some(path));
            }
            context.ui.step("wrote", path.display().to_string());
        }
    }
    context.ui.note(explanation(args, bucket, &key, model.versioning, signer.validity));
    Ok(())
}

/// Returns the key that is meant: `--key`, or the text itself. A file in a folder is not taken for a key in silence.
fn key(path: &Path, named: Option<&str>) -> Result<String> {
    if let Some(key) = named {
        return Ok(key.to_owned());
    }
    let text = path.to_str().ok_or_else(|| {
        Error::Usage(
            Message::new(format!("{} is not a valid key", path.display())).hint("give one with `--key`"),
        )
    })?;
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if name != text && path.is_file() => Err(Error::Usage(
            Message::new(format!("`{text}` is a file in a folder of this machine, so its key is not clear"))
                .hint(format!(
                    "write `--presign {}`, or `--key {}` if the key has the folder, too",
                    quoted(name),
                    quoted(text)
                )),
        )),
        _ => Ok(text.to_owned()),
    }
}

/// Refuses keys that S3, clients or the pipeline would treat otherwise.
fn check(key: &str, is_form: bool) -> Result<()> {
    let wrong = match key {
        _ if key.is_empty() || key.len() > MAX_KEY => {
            format!("a key has 1 to {MAX_KEY} bytes, and this one has {}", key.len())
        }
        _ if key.split('/').any(|segment| matches!(segment, "." | "..")) => {
            format!("the key `{key}` has a segment `.` or `..`, which clients take for another folder")
        }
        _ if key.chars().any(char::is_control) => "the key has a control character".to_owned(),
        _ if is_form && key.contains(FILE_NAME) => {
            format!("S3 replaces `{FILE_NAME}` in the key of a form by the name of the file")
        }
        _ => return Ok(()),
    };
    Err(Error::Usage(Message::new(wrong).hint("give another key with `--key`")))
}

const fn ends_with(ends_by: EndsBy) -> &'static str {
    match ends_by {
        EndsBy::Request => "request",
        EndsBy::Credentials => "credentials",
        EndsBy::CredentialsPerhaps => "unknown",
    }
}

/// Returns the command line of an upload by PUT.
fn curl(put: &Put, key: &str) -> String {
    let file = key.rsplit('/').find(|name| !name.is_empty()).unwrap_or("FILE");
    let headers: String = put
        .headers
        .iter()
        .map(|(name, value)| format!(" -H {}", quoted(&format!("{name}: {value}"))))
        .collect();
    // A file name with a dash before it would be an option.
    format!(
        "curl --fail-with-body --upload-file {}{headers} {}",
        quoted(&format!("./{file}")),
        quoted(&put.url)
    )
}

/// Explains in plain words to the caller what was signed.
fn explanation(args: &Args, bucket: &str, key: &str, is_versioned: bool, validity: Validity) -> String {
    let what = if args.form.is_some() { "page" } else { "line" };
    let until = time::rfc3339(validity.until);
    let ends = match validity.ends_by {
        EndsBy::Request => format!("until {until}"),
        EndsBy::Credentials => format!("until {until}, when your credentials expire"),
        EndsBy::CredentialsPerhaps => {
            format!("until {until}, or until your temporary credentials expire, whose end is not known")
        }
    };
    let old = match is_versioned {
        true => "S3 keeps the old one as a version",
        false => "the old one is lost, since the bucket has no versions",
    };
    let replaces = match (args.overwrite, args.form.is_some()) {
        (true, _) => format!("Each upload replaces the object with that key; {old}."),
        (false, true) => format!("A second upload replaces the first; {old}."),
        (false, false) => "It works once: S3 refuses it while there is an object with that key.".to_owned(),
    };
    let most = match args.form.is_some() {
        true => units::show_size(args.max_size),
        false => units::show_size(MAX_PUT_BYTES),
    };
    format!(
        "\nAnyone with this {what} can upload one file of {most} at most as s3://{bucket}/{key}, {ends}. {replaces}\n\
         The upload starts the pipeline; `deployer status {}` shows its rows.",
        quoted(key)
    )
}

/// Returns the page with the form. The answer of S3 is shown in a frame, so that an error can be read.
fn page(form: &Form, key: &str, max_bytes: u64, until: u64) -> String {
    let attribute = |text: &str| html::escaped(text).replace('"', "&quot;");
    let fields: String = form
        .fields
        .iter()
        .map(|(name, value)| {
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", attribute(value))
        })
        .collect();
    let (key, most) = (html::escaped(key), units::show_size(max_bytes));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Upload {key}</title>\n</head>\n<body>\n<h1>Upload {key}</h1>\n\
         <p>One file of {most} at most, until {until}. Below, S3 answers with a <code>PostResponse</code> when the file has \
         arrived, or with an <code>Error</code>.</p>\n\
         <form action=\"{action}\" method=\"post\" enctype=\"multipart/form-data\" target=\"answer\">\n{fields}\
         <input type=\"file\" name=\"file\" aria-label=\"File\" required>\n<button>Upload</button>\n</form>\n\
         <iframe name=\"answer\" title=\"Answer of S3\" width=\"100%\" height=\"300\"></iframe>\n</body>\n</html>\n",
        until = time::rfc3339(until),
        action = attribute(&form.url),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put() -> Put {
        Put {
            url: "https://b.s3.eu-west-1.amazonaws.com/in/it%27s.csv?X-Amz-Signature=0f&X-Amz-Expires=60"
                .to_owned(),
            headers: vec![
                ("content-type".to_owned(), "text/csv".to_owned()),
                ("if-none-match".to_owned(), "*".to_owned()),
            ],
        }
    }

    #[test]
    fn the_line_is_safe_to_paste() {
        assert_eq!(
            curl(&put(), "in/it's.csv"),
            "curl --fail-with-body --upload-file './it'\\''s.csv' -H 'content-type: text/csv' -H 'if-none-match: *' \
             'https://b.s3.eu-west-1.amazonaws.com/in/it%27s.csv?X-Amz-Signature=0f&X-Amz-Expires=60'"
        );
        assert!(curl(&put(), "in/--help").contains("--upload-file ./--help "));
    }

    #[test]
    fn keys_that_mean_something_else_are_refused() {
        for (wrong, is_form) in [
            ("", false),
            ("../a.csv", false),
            ("in/./a.csv", false),
            ("a\n.csv", false),
            ("in/${filename}.csv", true),
        ] {
            assert_eq!(check(wrong, is_form).map_err(|error| error.exit_code()), Err(2), "{wrong:?}");
        }
        assert!(check(&"x".repeat(MAX_KEY + 1), false).is_err());
        for right in ["a.csv", "in/${filename}.csv", "in/käufer 7.csv", "...csv"] {
            assert!(check(right, false).is_ok(), "{right}");
        }
    }

    #[test]
    fn a_path_is_not_taken_for_a_key_in_silence() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        assert_eq!(key(&path, None).expect("no such file"), path.to_str().expect("UTF-8"));
        std::fs::write(&path, "").expect("a file");
        let error = key(&path, None).expect_err("a path, or a key").message().expect("a message");
        assert!(error.hint.is_some_and(|hint| hint.contains("`--presign a.csv`")));
        assert_eq!(key(&path, Some("in/a.csv")).expect("named"), "in/a.csv");
        assert_eq!(key(Path::new("a.csv"), None).expect("a name"), "a.csv");
    }

    #[test]
    fn a_page_has_no_way_out_of_its_attributes() {
        let form = Form {
            url: "https://b.s3.x/".to_owned(),
            fields: vec![("key", "\"><script>&".to_owned()), ("policy", "e30=".to_owned())],
        };
        let page = page(&form, "<b>.csv", 100 << 20, 0);
        for part in [
            "value=\"&quot;&gt;&lt;script&gt;&amp;\"",
            "<h1>Upload &lt;b&gt;.csv</h1>",
            "One file of 100MiB at most, until 1970-01-01T00:00:00Z",
            "action=\"https://b.s3.x/\"",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<script>"));
        // S3 ignores fields after that of the file.
        assert!(page.find("type=\"file\"") > page.rfind("type=\"hidden\""));
    }

    #[test]
    fn a_validity_is_a_week_at_most() {
        assert_eq!((validity("1h"), validity("7d"), size("5GiB")), (Ok(3_600), Ok(604_800), Ok(5 << 30)));
        for text in ["0s", "8d", "later", ""] {
            assert!(validity(text).is_err(), "{text}");
        }
        assert!(size("6GiB").is_err() && size("0B").is_err());
    }
}
