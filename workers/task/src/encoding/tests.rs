//! Encodings that are declared, marked and detected, in any pieces.

use contract::settings::EncodingSetting;
use proptest::prelude::*;

use super::*;
use crate::decompress::tests as decompress;

/// Returns the text of bytes that arrive in these chunks, and its encoding.
fn read_chunks<'a>(
    setting: Option<EncodingSetting>,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, Option<Encoding>), Fault> {
    let mut text = Text::new(setting);
    let mut out = Vec::new();
    let mut chunks = chunks.into_iter();
    loop {
        while text.fill()? {
            let piece = text.piece();
            assert!(!piece.is_empty());
            // Not all of it at once, as a reader that has found a row.
            let count = piece.len().div_ceil(2);
            out.extend_from_slice(piece.get(..count).expect("half"));
            text.consume(count);
        }
        assert!(text.buffered() <= 4 * WINDOW, "{} bytes buffered", text.buffered());
        match chunks.next() {
            Some(chunk) => text.feed(chunk),
            None if text.is_ended() => return Ok((out, text.encoding())),
            None => text.end(),
        }
    }
}

fn setting(written: &str) -> Option<EncodingSetting> {
    (!written.is_empty()).then(|| serde_json::from_str(written).expect(written))
}

fn read(written: &str, bytes: &[u8]) -> Result<(Vec<u8>, Option<Encoding>), Fault> {
    let whole = read_chunks(setting(written), [bytes]);
    assert_eq!(read_chunks(setting(written), bytes.chunks(1)), whole, "{written}");
    assert_eq!(read_chunks(setting(written), [&decompress::gzip(bytes, 6)[..]]), whole, "{written}");
    whole
}

fn encoding(written: &str, bytes: &[u8]) -> String {
    let (_, encoding) = read(written, bytes).expect("an encoding");
    encoding.unwrap_or(Encoding::UTF_8).name()
}

/// Returns the text in an encoding, by the encoder of the library, which writes no UTF-16.
fn encode(label: &str, text: &str) -> Vec<u8> {
    let units = || text.encode_utf16();
    match label {
        "utf-16le" => units().flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => units().flat_map(u16::to_be_bytes).collect(),
        label => {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).expect(label);
            let (bytes, _, lost) = encoding.encode(text);
            assert!(!lost, "{label} has no {text}");
            bytes.into_owned()
        }
    }
}

#[test]
fn without_a_setting_text_is_utf_8_or_utf_16() {
    for text in ["", "a", "id,name\n1,Jörg\n", "名前,住所\n1,東京\n", "id,n\n1,😀\n", "Ā,b,c,d\n1,2,3,4\n"]
    {
        for (label, mark) in [("utf-16le", &b"\xff\xfe"[..]), ("utf-16be", b"\xfe\xff")] {
            let bytes = encode(label, text);
            let marked = format!("\u{feff}{text}").into_bytes();
            let expected = Encoding::from_label(label).ok();
            assert_eq!(read("", &[mark, &bytes].concat()), Ok((marked, expected)), "{text} {label}");
            if text.contains('\n') {
                assert_eq!(read("", &bytes), Ok((text.as_bytes().to_vec(), expected)), "{text} {label}");
            }
        }
        assert_eq!(read("", text.as_bytes()), Ok((text.as_bytes().to_vec(), None)));
    }
}

#[test]
fn bytes_that_only_contain_nuls_are_not_utf_16() {
    let mut tar = b"name".to_vec();
    tar.resize(512, 0);
    for bytes in
        [&b"a,\0b\n1,2\n"[..], b"\0", b"a\0", b"\xff\xfe\0\0a\0\0\0", b"PK\x03\x04\x14\0\0\0\x08\0", &tar]
    {
        assert_eq!(read("", bytes), Ok((bytes.to_vec(), None)), "{bytes:?}");
    }
}

#[test]
fn a_declared_encoding_is_used_unless_a_mark_says_another() {
    let text = "id,name\n1,Žluťoučký\n";
    let bytes = encode("windows-1250", text);
    // The reader decodes single bytes.
    assert_eq!(read(r#""windows-1250""#, &bytes), Ok((bytes.clone(), Encoding::from_label("cp1250").ok())));
    for label in ["shift_jis", "euc-jp", "iso-2022-jp", "gbk", "gb18030", "big5", "euc-kr"] {
        let text = if label == "euc-kr" { "이름,주소|\n" } else { "id,中國|\n" };
        let text = if label == "shift_jis" { "id,表能ソ|\\\n" } else { text };
        let found = read(&format!("\"{label}\""), &encode(label, text));
        let expected = Encoding::from_label(label).ok();
        assert_eq!(found, Ok((text.as_bytes().to_vec(), expected)), "{label}");
    }
    let marked = "\u{feff}id,é\n".as_bytes();
    for declared in [r#""windows-1252""#, r#""shift_jis""#, r#""utf-16""#, r#""auto""#] {
        assert_eq!(read(declared, marked), Ok((marked.to_vec(), None)), "{declared}");
    }
    // The order of the bytes is seen, too.
    let swapped = encode("utf-16be", "id,name\n1,é\n");
    assert_eq!(encoding(r#""utf-16""#, &swapped), "utf-16be");
    // Nothing but letters beyond ASCII says nothing.
    assert_eq!(encoding(r#""utf-16be""#, &encode("utf-16be", "日本")), "utf-16be");
    let fault = read(r#""utf-16""#, b"id,name\n1,x\n").expect_err("ASCII");
    assert_eq!(fault.reason, Reason::InvalidEncoding);
}

#[test]
fn bytes_that_are_no_text_stay_recognizable() {
    // The first byte of a pair, and a letter that can't follow it, which is kept.
    let (text, _) = read(r#""shift_jis""#, b"a,\x81,b\n\x81").expect("a text");
    assert_eq!(text, b"a,\xff,b\n\xff");
    let (text, _) = read("", b"\xff\xfea\0,\0\0\xd8\n\0x").expect("a text");
    assert_eq!(text, b"\xef\xbb\xbfa,\xed\xa0\x80\n\xff");
}

#[test]
fn auto_chooses_between_utf_8_and_one_other() {
    let long = "plain,text\n".repeat(20_000);
    for before in ["", &long] {
        let with = |bytes: &[u8]| [before.as_bytes(), bytes].concat();
        for (written, bytes, expected) in [
            (r#""auto""#, "Jörg,Größe,Straße\n".as_bytes().to_vec(), "utf-8"),
            (r#""auto""#, encode("windows-1252", "Jörg,Größe,Straße,Äpfel\n"), "windows-1252"),
            (r#""auto""#, b"plain".to_vec(), "utf-8"),
            (r#"{"auto":"de"}"#, encode("windows-1252", "ö"), "windows-1252"),
            (r#"{"auto":"pl"}"#, encode("windows-1250", "Łódź,żółć,gęś\n"), "windows-1250"),
            (r#"{"auto":"pl"}"#, encode("iso-8859-2", "Łódź,święto,Śląsk,źle,gęś,ciąża\n"), "iso-8859-2"),
            (r#"{"auto":"ru"}"#, encode("koi8-u", "Привет мир, как дела сегодня\n"), "koi8-u"),
            (r#"{"auto":"ru"}"#, encode("windows-1251", "Привет мир, как дела сегодня\n"), "windows-1251"),
            (r#"{"auto":"ja"}"#, encode("euc-jp", "東京都港区の住所です\n"), "euc-jp"),
            (r#"{"auto":"ja"}"#, encode("shift_jis", "東京都港区の住所です\n"), "shift_jis"),
            (r#"{"auto":"ja"}"#, encode("iso-2022-jp", "東京都港区の住所です\n"), "iso-2022-jp"),
            (r#"{"auto":"windows-1257"}"#, encode("windows-1257", "ąčęėįšųūž\n"), "windows-1257"),
            // A character that is cut off is no UTF-8.
            (r#"{"auto":"windows-1250"}"#, b"x\xc5".to_vec(), "windows-1250"),
        ] {
            let (text, found) = read_chunks(setting(written), with(&bytes).chunks(9999)).expect(written);
            let found = found.unwrap_or(Encoding::UTF_8);
            assert_eq!(found.name(), expected, "{written}");
            assert!(text.starts_with(before.as_bytes()));
            if before.is_empty() {
                assert_eq!(encoding(written, &bytes), expected, "{written}");
            }
        }
    }
}

#[test]
fn few_signs_are_no_other_language() {
    for text in ["10 µm", "£10", "¥", "±1", "Ø 5", "10½", "§ 5", "10°", "10½ § 5°"] {
        let bytes = encode("windows-1252", &format!("id,value\n{}", format!("1,{text}\n").repeat(100)));
        assert_eq!(encoding(r#""auto""#, &bytes), "windows-1252", "{text}");
        assert_eq!(encoding(r#"{"auto":"en"}"#, &bytes), "windows-1252", "{text}");
    }
}

#[test]
fn auto_without_a_language_fails_where_it_would_be_wrong() {
    for (label, text) in [
        ("windows-1250", "Łódź,żółć,gęś,Śląsk\n"),
        ("windows-1251", "Привет мир, как дела сегодня\n"),
        ("shift_jis", "東京都港区の住所です\n"),
    ] {
        let fault = read(r#""auto""#, &encode(label, text)).expect_err(label);
        assert_eq!(fault.reason, Reason::WrongEncoding, "{label}");
        assert!(fault.message.contains(&format!("`encoding: {label}`")), "{}", fault.message);
    }
}

#[test]
fn an_escape_is_no_japanese_where_nothing_else_is() {
    let bytes = b"id,\x1b[31mred\x1b[0m\n";
    assert_eq!(read(r#"{"auto":"ja"}"#, bytes), Ok((bytes.to_vec(), None)));
}

fn any_setting() -> impl Strategy<Value = Option<EncodingSetting>> {
    let written = [
        "",
        r#""utf-8""#,
        r#""auto""#,
        r#""windows-1252""#,
        r#""utf-16""#,
        r#""shift_jis""#,
        r#""gb18030""#,
        r#""iso-2022-jp""#,
        r#"{"auto":"de"}"#,
        r#"{"auto":"pl"}"#,
        r#"{"auto":"ja"}"#,
        r#"{"auto":"utf-16be"}"#,
        r#"{"auto":"iso-2022-jp"}"#,
    ];
    proptest::sample::select(written.to_vec()).prop_map(setting)
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        setting in any_setting(),
        pieces in proptest::collection::vec(
            prop_oneof![
                4 => "[a,\n]{1,3}".prop_map(String::into_bytes),
                1 => "[é名😀]".prop_map(String::into_bytes),
                1 => proptest::collection::vec(any::<u8>(), 1..3),
                1 => Just(b"a\0,\0\n\0".to_vec()),
                1 => Just(b"\x1b$B".to_vec()),
            ],
            0..40,
        ),
        mark in proptest::sample::select(vec![&b""[..], b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"]),
        size in 1..9usize,
    ) {
        let bytes = [mark, &pieces.concat()].concat();
        let whole = read_chunks(setting, [&bytes[..]]);
        prop_assert_eq!(read_chunks(setting, bytes.chunks(size)), whole);
    }
}
