//! Labels of encodings: those of the standard, and those that people and programs use beside them.

use super::Encoding;

/// The reason why a label names no encoding that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// It is not a label of an encoding.
    #[error("it is not a known encoding")]
    Unknown,
    /// The encoding is known and cannot be read.
    #[error("{0}")]
    Unreadable(&'static str),
}

/// Names of other programs, in lower case, with the label of the encoding that they mean. What the standard reads by
/// itself is not listed.
pub(super) const ALIASES: &[(&[&str], &str)] = &[
    (
        &[
            "utf-8-sig",
            "utf8-sig",
            "utf-8-bom",
            "utf8-bom",
            "utf8bom",
            "utf8mb4",
            "utf8mb3",
            "65001",
            "cp65001",
        ],
        "utf-8",
    ),
    (&["utf16", "utf16le", "utf16-le", "utf-16-le", "ucs2", "ucs-2-le", "cp1200", "1200"], "utf-16le"),
    (&["utf16be", "utf16-be", "utf-16-be", "ucs-2-be", "cp1201", "1201"], "utf-16be"),
    (&["ansi", "win1252", "win-1252", "windows1252", "1252", "we8mswin1252"], "windows-1252"),
    (&["latin-1", "8859-1", "cp28591", "we8iso8859p1"], "windows-1252"),
    (&["win1250", "win-1250", "windows1250", "1250"], "windows-1250"),
    (&["win1251", "win-1251", "windows1251", "1251"], "windows-1251"),
    (&["win1253", "win-1253", "windows1253", "1253"], "windows-1253"),
    (&["win1254", "win-1254", "windows1254", "1254", "latin-5"], "windows-1254"),
    (&["win1255", "win-1255", "windows1255", "1255"], "windows-1255"),
    (&["win1256", "win-1256", "windows1256", "1256"], "windows-1256"),
    (&["win1257", "win-1257", "windows1257", "1257"], "windows-1257"),
    (&["win1258", "win-1258", "windows1258", "1258"], "windows-1258"),
    (&["cp874", "windows874"], "windows-874"),
    (&["latin-2", "8859-2"], "iso-8859-2"),
    (&["latin7", "latin-7", "l7"], "iso-8859-13"),
    (&["latin9", "latin-9", "8859-15"], "iso-8859-15"),
    (&["latin10", "latin-10", "l10"], "iso-8859-16"),
    (&["mac-roman", "macroman", "mac-os-roman"], "macintosh"),
    (&["mac-cyrillic", "maccyrillic"], "x-mac-cyrillic"),
    (&["cp932", "932", "windows-932", "mskanji", "ms-kanji", "s-jis", "shift-jisx0213"], "shift_jis"),
    (&["eucjp", "euc_jp", "ujis"], "euc-jp"),
    (&["cp936", "936", "ms936", "windows-936", "euc-cn"], "gbk"),
    (&["gb-18030", "cp54936"], "gb18030"),
    (&["cp949", "949", "ms949", "uhc", "euckr", "euc_kr"], "euc-kr"),
    (&["cp950", "950", "ms950", "windows-950", "big-5"], "big5"),
];

/// Words in names of encodings that have no table here.
const DOS: &str = "code pages of DOS other than 866 cannot be read: convert the file first, such as with `iconv -f CP850 -t UTF-8`";
const EBCDIC: &str = "EBCDIC cannot be read: convert the file first, such as with `iconv -f IBM037 -t UTF-8`";
const UNREADABLE: &[(&[&str], &str)] = &[
    (&["binary", "bytes", "raw", "none"], "it is not an encoding of text"),
    (
        &["utf-32", "utf32", "utf-32le", "utf-32be", "ucs-4", "ucs4"],
        "UTF-32 cannot be read: save or export the file as UTF-8",
    ),
    (&["utf-7", "utf7"], "UTF-7 cannot be read: save or export the file as UTF-8"),
    (&["ebcdic", "cp037", "ibm037", "cp500", "ibm500", "cp1047", "ibm1047", "cp273", "ibm273"], EBCDIC),
];
/// Code pages of DOS: <https://learn.microsoft.com/en-us/windows/win32/intl/code-page-identifiers>
const CODE_PAGES: [&str; 17] = [
    "437", "708", "720", "737", "775", "850", "852", "855", "857", "858", "860", "861", "862", "863", "864",
    "865", "869",
];

pub(super) fn find(label: &str) -> Result<Encoding, LabelError> {
    let label = label.trim().to_ascii_lowercase();
    if let Some(encoding) = encoding_rs::Encoding::for_label(label.as_bytes()) {
        return Encoding::of(encoding).ok_or(LabelError::Unreadable(
            "it has no decoder, since pages of the Web were attacked by it: save or export the file as UTF-8",
        ));
    }
    let has = |names: &[&str]| names.contains(&&*label);
    if let Some((_, meant)) = ALIASES.iter().find(|(names, _)| has(names)) {
        let encoding = encoding_rs::Encoding::for_label(meant.as_bytes());
        return encoding.and_then(Encoding::of).ok_or(LabelError::Unknown);
    }
    if let Some((_, why)) = UNREADABLE.iter().find(|(names, _)| has(names)) {
        return Err(LabelError::Unreadable(why));
    }
    let page = ["ibm-", "ibm", "cp-", "cp", "dos-", "oem-", "dos", "oem"];
    let page = page.iter().find_map(|prefix| label.strip_prefix(prefix)).unwrap_or(&label);
    match CODE_PAGES.contains(&page) || matches!(&*label, "dos" | "oem") {
        true => Err(LabelError::Unreadable(DOS)),
        false => Err(LabelError::Unknown),
    }
}
