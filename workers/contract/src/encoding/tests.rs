//! Labels, languages, tables and UTF-16.

use proptest::prelude::*;

use super::*;

#[test]
fn labels_of_the_standard_and_of_other_programs_name_an_encoding() {
    for (label, name) in [
        ("UTF-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        (" Windows-1252 ", "windows-1252"),
        ("windows1252", "windows-1252"),
        ("1252", "windows-1252"),
        ("ansi", "windows-1252"),
        ("ascii", "windows-1252"),
        ("latin1", "windows-1252"),
        ("ISO-8859-1", "windows-1252"),
        ("latin9", "iso-8859-15"),
        ("iso8859-15", "iso-8859-15"),
        ("cp1250", "windows-1250"),
        ("unicode", "utf-16le"),
        ("utf16", "utf-16le"),
        ("utf16le", "utf-16le"),
        ("utf-16be", "utf-16be"),
        ("mac-roman", "macintosh"),
        ("cp866", "ibm866"),
        ("cp932", "shift_jis"),
        ("sjis", "shift_jis"),
        ("gb2312", "gbk"),
        ("cp949", "euc-kr"),
        ("cp950", "big5"),
    ] {
        let encoding = Encoding::from_label(label).expect(label);
        assert_eq!(encoding.name(), name, "{label}");
        // The name that is kept names the same.
        assert_eq!(Encoding::from_label(name), Ok(encoding));
    }
}

#[test]
fn encodings_that_cannot_be_read_are_refused_with_the_reason() {
    for (label, says) in [
        ("cp850", "code pages of DOS"),
        ("IBM437", "code pages of DOS"),
        ("852", "code pages of DOS"),
        ("oem", "code pages of DOS"),
        ("cp037", "EBCDIC"),
        ("binary", "not an encoding of text"),
        ("utf-32", "UTF-32"),
        ("utf-7", "UTF-7"),
        ("iso-2022-kr", "no decoder"),
        ("hz-gb-2312", "no decoder"),
        ("replacement", "no decoder"),
        ("utf-9", "not a known encoding"),
        ("", "not a known encoding"),
        ("cp", "not a known encoding"),
    ] {
        let error = Encoding::from_label(label).expect_err(label);
        assert!(error.to_string().contains(says), "{label}: {error}");
    }
}

#[test]
fn names_that_are_suggested_are_names() {
    for name in Encoding::COMMON {
        assert_eq!(Encoding::from_label(name).map(Encoding::name).as_deref(), Ok(name));
    }
}

#[test]
fn every_alias_is_needed_and_names_what_it_says() {
    let mut wrong = Vec::new();
    for (names, label) in label::ALIASES {
        let meant = encoding_rs::Encoding::for_label(label.as_bytes()).map(Encoding);
        for name in *names {
            let is_label = encoding_rs::Encoding::for_label(name.as_bytes()).is_some();
            if is_label || meant.is_none() || Encoding::from_label(name).ok() != meant {
                wrong.push(*name);
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn languages_have_encodings_and_countries_some_of_their_own() {
    let names = |code: &str| -> Vec<String> {
        Language::from_code(code).expect(code).encodings().map(Encoding::name).collect()
    };
    assert_eq!(names("de"), ["windows-1252"]);
    assert_eq!(names("de-AT"), ["windows-1252"]);
    assert_eq!(names("PL"), ["windows-1250", "iso-8859-2"]);
    assert_eq!(names("zh_TW"), ["big5"]);
    assert_eq!(names("zh-Hans"), ["gbk"]);
    for unknown in ["", "xx", "german", "d"] {
        assert_eq!(Language::from_code(unknown), Err(LanguageError), "{unknown}");
    }
    // A word that names both would be ambiguous in the settings.
    for code in Language::codes() {
        assert!(Encoding::from_label(code).is_err(), "{code}");
        assert!(Language::from_code(code).expect(code).encodings().count() > 0);
    }
}

#[test]
fn only_encodings_that_keep_ascii_apart_are_divisible() {
    for (label, form, divisible) in [
        ("utf-8", Form::Utf8, true),
        ("utf-16le", Form::Utf16(Order::Little), true),
        ("utf-16be", Form::Utf16(Order::Big), true),
        ("windows-1252", Form::SingleByte, true),
        ("koi8-u", Form::SingleByte, true),
        ("shift_jis", Form::MultiByte, false),
        ("gb18030", Form::MultiByte, false),
        ("iso-2022-jp", Form::MultiByte, false),
    ] {
        let encoding = Encoding::from_label(label).expect(label);
        assert_eq!((encoding.form(), encoding.is_divisible()), (form, divisible), "{label}");
    }
}

#[test]
fn a_table_decodes_as_the_library_does() {
    let all: Vec<u8> = (0..=255).collect();
    for name in [
        "windows-1252",
        "windows-1250",
        "windows-1253",
        "iso-8859-7",
        "iso-8859-15",
        "koi8-r",
        "ibm866",
        "macintosh",
        "windows-874",
        "x-user-defined",
    ] {
        let encoding = Encoding::from_label(name).expect(name);
        let table = encoding.table().expect("a single-byte encoding");
        for byte in &all {
            let mut text = "x".to_owned();
            let bytes = [b'a', *byte, b'b'];
            let expected = encoding.0.decode_without_bom_handling_and_without_replacement(&bytes);
            let decoded = table.decode(&bytes, &mut text);
            assert_eq!(
                decoded.then(|| text[1..].to_owned()),
                expected.map(|text| text.into_owned()),
                "{name} {byte}"
            );
        }
    }
    assert!(Encoding::UTF_8.table().is_none());
}

#[test]
fn control_characters_tell_a_wrong_encoding() {
    for (text, found) in [
        ("", false),
        ("a\u{1}", false),
        ("é€", false),
        ("Stra\u{81}e", true),
        ("\u{9f}", true),
        ("\u{a0}", false),
    ] {
        assert_eq!(has_control(text), found, "{text:?}");
    }
    let suspect =
        |bytes: &[u8], label| Suspect::of(bytes, Encoding::from_label(label).expect(label)).to_string();
    // `Á` in UTF-8; `Gürtel` on DOS; `forêt` on a Mac; `€` of Windows.
    assert_eq!(suspect(b"\xc3\x81", "windows-1252"), "UTF-8");
    assert!(suspect(b"G\x81rtel", "windows-1252").contains("cp850"));
    assert_eq!(suspect(b"for\x90t", "windows-1252"), "macintosh");
    assert_eq!(suspect(b"5 \x80", "iso-8859-15"), "windows-1252");
    assert_eq!(suspect(b"\x8a", "iso-8859-2"), "windows-1250");
}

fn utf_16(units: &[u16], order: Order) -> Vec<u8> {
    let bytes = |unit: &u16| match order {
        Order::Little => unit.to_le_bytes(),
        Order::Big => unit.to_be_bytes(),
    };
    units.iter().flat_map(bytes).collect()
}

fn decoded<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, order: Order) -> Vec<u8> {
    let (mut decoder, mut out) = (Utf16::new(order), Vec::new());
    for chunk in chunks {
        decoder.decode(chunk, &mut out);
    }
    decoder.finish(&mut out);
    out
}

#[test]
fn half_a_pair_is_no_text_and_keeps_its_place() {
    for (units, text) in [
        (&[0x61, 0xd800, 0x62][..], &b"a\xed\xa0\x80b"[..]),
        (&[0xdfff], b"\xed\xbf\xbf"),
        (&[0xd83d, 0xd83d, 0xde00], b"\xed\xa0\xbd\xf0\x9f\x98\x80"),
        (&[0xd800, 0x0a], b"\xed\xa0\x80\n"),
        (&[0x61, 0xd800], b"a\xed\xa0\x80"),
    ] {
        let bytes = utf_16(units, Order::Big);
        assert_eq!(decoded([&bytes[..]], Order::Big), text);
        assert!(std::str::from_utf8(text).is_err());
        assert_eq!(length_in_utf_16(text), bytes.len() as u64);
    }
    assert_eq!(decoded([&b"a\0b"[..]], Order::Little), b"a\xff");
    assert_eq!(length_in_utf_16(b"a\xff"), 3);
}

proptest! {
    #[test]
    fn utf_16_is_decoded_in_any_pieces_and_every_position_is_kept(
        units in proptest::collection::vec(prop_oneof![any::<u16>(), 0xd7f0..0xe010_u16, 0..0x100_u16], 0..20),
        odd in any::<bool>(), big in any::<bool>(), size in 1..7usize,
    ) {
        let order = if big { Order::Big } else { Order::Little };
        let mut bytes = utf_16(&units, order);
        if odd {
            bytes.push(b'x');
        }
        let whole = decoded([&bytes[..]], order);
        prop_assert_eq!(&decoded(bytes.chunks(size), order), &whole);
        prop_assert_eq!(length_in_utf_16(&whole), bytes.len() as u64);
        let text = String::from_utf16(&units).ok().filter(|_| !odd);
        prop_assert_eq!(String::from_utf8(whole).ok(), text);
    }

    #[test]
    fn any_label_is_an_encoding_or_an_error(label in ".{0,12}|[a-z]{0,4}-?[0-9]{0,4}") {
        let _ = Encoding::from_label(&label);
        let _ = Language::from_code(&label);
    }
}
