//! Workbooks as programs write them, made of their parts.

use std::io::{Cursor, Write as _};

use contract::row::Cell;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::scan::{Indivisible, Scan, Step};

/// The parts of a workbook.
pub(crate) struct Book {
    /// Each with its name, its attributes, and its rows as XML.
    sheets: Vec<(&'static str, &'static str, String)>,
    strings: Vec<&'static str>,
    is_1904: bool,
    /// XML after the rows of the first sheet.
    after: &'static str,
}

impl Book {
    fn of(rows: impl Into<String>) -> Self {
        Self { sheets: vec![("Sheet1", "", rows.into())], strings: Vec::new(), is_1904: false, after: "" }
    }

    /// Returns the bytes of the file.
    fn bytes(&self) -> Vec<u8> {
        const TYPES: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        let (mut sheets, mut relations) = (String::new(), String::new());
        let mut parts = Vec::new();
        for (number, (name, attributes, rows)) in (1..).zip(&self.sheets) {
            sheets += &format!(r#"<sheet name="{name}" sheetId="{number}" {attributes} r:id="r{number}"/>"#);
            let (folder, kind, xml) = match rows.strip_prefix("chart") {
                Some(_) => ("chartsheets", "chartsheet", format!("<chartsheet xmlns=\"{MAIN}\"/>")),
                None => {
                    let after = if number == 1 { self.after } else { "" };
                    let xml = format!(
                        "<worksheet xmlns=\"{MAIN}\"><dimension ref=\"A1\"/><sheetData>{rows}</sheetData>{after}</worksheet>"
                    );
                    ("worksheets", "worksheet", xml)
                }
            };
            relations += &format!(
                r#"<Relationship Id="r{number}" Type="{TYPES}/{kind}" Target="{folder}/sheet{number}.xml"/>"#
            );
            parts.push((format!("xl/{folder}/sheet{number}.xml"), xml));
        }
        let strings: String = self.strings.iter().map(|text| format!("<si>{text}</si>")).collect();
        let epoch = if self.is_1904 { "<workbookPr date1904=\"1\"/>" } else { "" };
        // Formats: 0 general, 1 a date, 2 a time, 3 a duration, 4 a number with colours.
        let styles = format!(
            "<styleSheet xmlns=\"{MAIN}\"><numFmts count=\"2\"><numFmt numFmtId=\"164\" formatCode=\"[h]:mm:ss\"/>\
             <numFmt numFmtId=\"165\" formatCode=\"[Red]0.00\"/></numFmts><cellXfs count=\"5\"><xf numFmtId=\"0\"/>\
             <xf numFmtId=\"14\"/><xf numFmtId=\"20\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/></cellXfs></styleSheet>"
        );
        parts.extend([
            (
                "xl/workbook.xml".to_owned(),
                format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{TYPES}\">{epoch}<sheets>{sheets}</sheets></workbook>"),
            ),
            (
                "xl/_rels/workbook.xml.rels".to_owned(),
                format!(
                    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{relations}</Relationships>"
                ),
            ),
            (
                "_rels/.rels".to_owned(),
                format!(
                    "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship \
                     Id=\"r1\" Type=\"{TYPES}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
                ),
            ),
            ("xl/sharedStrings.xml".to_owned(), format!("<sst xmlns=\"{MAIN}\">{strings}</sst>")),
            ("xl/styles.xml".to_owned(), styles),
        ]);
        archive(std::iter::once(("[Content_Types].xml".to_owned(), "<Types/>".to_owned())).chain(parts))
    }
}

fn archive(parts: impl IntoIterator<Item = (String, String)>) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).expect("a part");
        writer.write_all(content.as_bytes()).expect("in memory");
    }
    writer.finish().expect("an archive").into_inner()
}

#[derive(Debug, Default, PartialEq)]
struct Found {
    columns: Vec<String>,
    rows: Vec<Result<Vec<String>, Fault>>,
    skipped: Skipped,
    notes: Vec<String>,
}

impl Found {
    fn messages(&self) -> Vec<(Reason, &str)> {
        self.rows
            .iter()
            .filter_map(|row| row.as_ref().err())
            .map(|fault| (fault.reason, &*fault.message))
            .collect()
    }
}

fn scan(settings: &str, expected: &[&str], bytes: &[u8], size: usize) -> Result<Found, Fault> {
    let settings: ExtractionSettings = serde_json::from_str(settings).expect("settings");
    let expected: Vec<String> = expected.iter().map(|&name| name.to_owned()).collect();
    let mut scan = Scan::new(1000, &settings, &expected, &[]);
    let mut chunks = bytes.chunks(size);
    let mut found = Found::default();
    loop {
        match scan.step()? {
            Step::Row => {
                let row = scan.row();
                assert_eq!(row.index, found.rows.len() as u64 + 1);
                found.skipped += row.skipped;
                // An empty text has quotes.
                let show =
                    |cell: Cell<'_>| if cell.quoted { "\"\"".to_owned() } else { cell.text.to_owned() };
                found.rows.push(row.fields.map(|fields| fields.cells().map(show).collect()));
            }
            Step::Piece => {}
            Step::Starved => match chunks.next() {
                Some(chunk) => scan.feed(chunk),
                None => scan.end(),
            },
            Step::End => {
                assert_eq!(scan.step(), Ok(Step::End));
                assert_eq!(scan.indivisible(), Ok(Some(Indivisible::Workbook)));
                found.columns = scan.columns().unwrap_or_default().to_vec();
                found.notes = scan.notes().to_vec();
                return Ok(found);
            }
        }
    }
}

fn read(book: &Book) -> Found {
    let bytes = book.bytes();
    let whole = scan("{}", &[], &bytes, 100_000).expect("a workbook");
    assert_eq!(scan("{}", &[], &bytes, 100).expect("a workbook"), whole);
    whole
}

/// Returns a row of cells, each with its name and the rest of its XML.
fn row(number: u32, cells: &[(&str, &str)]) -> String {
    let cells: String =
        cells.iter().map(|(name, rest)| format!("<c r=\"{name}{number}\" {rest}</c>")).collect();
    format!("<row r=\"{number}\">{cells}</row>")
}

fn inline(text: &str) -> String {
    format!("t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is>")
}

fn header(columns: &[&str]) -> String {
    let texts: Vec<String> = columns.iter().map(|name| inline(name)).collect();
    let names: Vec<String> = (0..).take(columns.len()).map(sheet::column).collect();
    let cells: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    row(1, &cells)
}

#[test]
fn cells_become_texts_by_what_they_are() {
    let mut book = Book::of(
        header(&["text", "number", "date", "time", "long", "bool", "colour", "iso"])
            + &row(
                2,
                &[
                    ("A", "t=\"s\"><v>0</v>"),
                    ("B", "><v>5</v>"),
                    ("C", "s=\"1\"><v>46110</v>"),
                    ("D", "s=\"2\"><v>0.2708333333333333</v>"),
                    ("E", "s=\"3\"><v>1.25</v>"),
                    ("F", "t=\"b\"><v>1</v>"),
                    ("G", "s=\"4\"><v>1.5</v>"),
                    ("H", "t=\"d\"><v>2026-03-29T06:30:00</v>"),
                ],
            )
            + &row(
                3,
                &[
                    ("A", "t=\"s\"><v>1</v>"),
                    ("B", "><v>1.234567890123457e+16</v>"),
                    ("C", "s=\"1\"><v>46110.5</v>"),
                ],
            )
            + &row(
                4,
                &[
                    ("A", &inline(" 007 ")),
                    ("B", "t=\"str\"><f>\"\"</f><v></v>"),
                    ("C", "t=\"str\"><f>A1</f><v>1e3</v>"),
                ],
            ),
    );
    book.strings = vec!["<t>caf\u{e9}</t>", "<r><t xml:space=\"preserve\">two </t></r><r><t>parts</t></r>"];
    let found = read(&book);
    assert_eq!(found.columns, ["text", "number", "date", "time", "long", "bool", "colour", "iso"]);
    assert_eq!(
        found.rows,
        [
            Ok(["café", "5", "2026-03-29", "06:30:00", "30:00:00", "true", "1.5", "2026-03-29T06:30:00"]
                .map(str::to_owned)
                .to_vec()),
            Ok(["two parts", "12345678901234570", "2026-03-29T12:00:00", "", "", "", "", ""]
                .map(str::to_owned)
                .to_vec()),
            Ok([" 007 ", "\"\"", "1e3", "", "", "", "", ""].map(str::to_owned).to_vec()),
        ]
    );
    assert_eq!(
        found.notes,
        [
            "the sheet `Sheet1` is read, with its hidden rows and columns",
            "1 number has more than 15 digits, and the workbook has lost the others (digits-lost)"
        ]
    );
    book.is_1904 = true;
    assert_eq!(read(&book).rows[0].as_ref().expect("a row")[2], "2030-03-30");
}

#[test]
fn line_ends_and_escapes_are_as_the_workbook_says() {
    let text = |xml: &str| {
        let found =
            read(&Book::of(header(&["a", "b"]) + &row(2, &[("A", &inline(xml)), ("B", "><v>1</v>")])));
        found.rows[0].as_ref().expect("a row")[0].clone()
    };
    // XlsxWriter's CR LF, and openpyxl's.
    assert_eq!(text("a_x000D_\nb"), "a\r\nb");
    assert_eq!(text("a\nb"), "a\nb");
    assert_eq!(text("a &amp; b"), "a & b");
    // What only looks like an escape is text, whoever wrote it.
    assert_eq!(text("img_x1920_1080"), "img_x1920_1080");
    assert_eq!(text(" &lt;_x0041_&#x41;&gt; "), " <_x0041_A> ");
    assert_eq!(text("_x005F_x000D_"), "_x000D_");
}

#[test]
fn escapes_are_read_in_every_kind_of_text_and_told() {
    let mut book = Book::of(
        header(&["id", "text", "img_x1920_"])
            + &row(2, &[("A", "><v>1</v>"), ("B", "t=\"s\"><v>1</v>"), ("C", "t=\"s\"><v>0</v>")])
            // Cells without names, and one that is empty.
            + "<row><c><v>2</v></c><c t=\"str\"><f>A1</f><v>b_x000D_ </v></c><c t=\"s\"/></row>"
            + &row(5, &[("A", "><v>3</v>"), ("C", &inline("c_x000D_"))]),
    );
    book.strings = vec![
        "<t>plain</t>",
        "<r><t> a_x000D_ </t></r><rPh sb=\"0\" eb=\"1\"><t>x_x000D_</t></rPh><r><t xml:space=\"preserve\"> plan_x2026_v2</t></r>",
    ];
    let found = read(&book);
    assert_eq!(found.columns, ["id", "text", "img_x1920_"]);
    let rows: Vec<Vec<String>> = found.rows.into_iter().map(|row| row.expect("good")).collect();
    assert_eq!(rows, [["1", "a\r plan_x2026_v2", "plain"], ["2", "b\r ", ""], ["3", "", "c\r"]]);
    assert_eq!(
        found.notes[1..],
        [
            "an escape such as `_x000D_` is read as the control character that spreadsheet programs write so, in 3 cells, of which B2 is the first"
        ]
    );
    // Without a control character there is nothing to tell.
    let plain = read(&Book::of(header(&["a"]) + &row(2, &[("A", &inline("plan_x2026_v2"))])));
    assert_eq!((plain.rows.len(), plain.notes.len()), (1, 1));
}

#[test]
fn a_number_below_one_is_a_time_or_no_date() {
    let cells = |number: u32, value: &str| {
        let date = format!("s=\"1\"><v>{value}</v>");
        let time = format!("s=\"2\"><v>{value}</v>");
        row(number, &[("A", time.as_str())]) + &row(number + 1, &[("A", date.as_str())])
    };
    let mut book =
        Book::of(header(&["a"]) + &cells(2, "0") + &cells(4, "0.999999999988426") + &cells(6, "1"));
    let found = read(&book);
    let rows: Vec<Option<String>> =
        found.rows.iter().map(|row| row.as_ref().ok().map(|row| row.concat())).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [some("00:00:00"), None, some("23:59:59.999"), None, some("1900-01-01"), some("1900-01-01")]
    );
    let message = "has a date before the first one of its workbook in the cell";
    assert_eq!(
        found.messages(),
        [
            (Reason::InvalidTimestamp, &*format!("row 2 {message} A3")),
            (Reason::InvalidTimestamp, &*format!("row 4 {message} A5"))
        ]
    );
    book.is_1904 = true;
    assert_eq!(read(&book).rows[1], Ok(vec!["1904-01-01".to_owned()]));
}

#[test]
fn a_sheet_of_fewer_rows_than_are_skipped_says_so() {
    let book = Book::of(header(&["a"]) + &row(3, &[("A", "><v>1</v>")]));
    let notes = |settings: &str| scan(settings, &["a"], &book.bytes(), 1000).expect("a workbook").notes;
    assert_eq!(
        notes(r#"{"csv":{"skip":9}}"#)[1..],
        ["the last row of the sheet is 3, and all rows are left out by `skip: 9`"]
    );
    assert_eq!(notes("{}").len(), 1);
}

#[test]
fn a_cell_without_a_value_that_counts_fails_its_row_by_name() {
    let book = Book::of(
        header(&["id", "sum"])
            + &row(2, &[("A", "><v>1</v>"), ("B", "><f>A2*2</f><v/>")])
            + &row(3, &[("A", "><v>2</v>"), ("B", "><f>A3*2</f>")])
            + &row(4, &[("A", "><v>3</v>"), ("B", "><f>A4*2</f><v>6</v>")])
            + &row(5, &[("A", "><v>4</v>"), ("B", "t=\"e\"><v>#DIV/0!</v>")])
            + &row(6, &[("A", "s=\"1\"><v>60</v>")])
            + &row(7, &[("A", "s=\"1\"><v>-1</v>")])
            + &row(9, &[("A", "><v>5</v>"), ("D", "><v>6</v>")]),
    );
    let found = read(&book);
    assert_eq!(
        found.messages(),
        [
            (
                Reason::NoStoredResult,
                "row 1 has a formula without a stored result in the cell B2: open the file in a spreadsheet program and save it"
            ),
            (
                Reason::NoStoredResult,
                "row 2 has a formula without a stored result in the cell B3: open the file in a spreadsheet program and save it"
            ),
            (Reason::NoStoredResult, "row 4 has the error #DIV/0! in the cell B5"),
            (Reason::InvalidTimestamp, "row 5 has the date 1900-02-29, a day that never was, in the cell A6"),
            (
                Reason::InvalidTimestamp,
                "row 6 has a date before the first one of its workbook in the cell A7"
            ),
            (Reason::RowLength, "row 7 has a value in the cell D9, where the header has no column"),
        ]
    );
    assert_eq!(found.rows[2], Ok(vec!["3".to_owned(), "6".to_owned()]));
}

#[test]
fn the_table_begins_at_the_first_value_and_blank_rows_are_skipped() {
    let rows = row(2, &[("A", "s=\"1\">")])
        + &row(3, &[("C", &inline("id")), ("D", &inline(" name "))])
        + &row(5, &[("C", "><v>1</v>"), ("D", &inline("a"))])
        + &row(6, &[("C", "s=\"1\">")])
        + &row(7, &[("C", &inline("id")), ("D", &inline(" name "))])
        + &row(8, &[("D", &inline("b"))]);
    let found = read(&Book::of(rows.clone()));
    assert_eq!(found.columns, ["id", "name"]);
    assert_eq!(
        found.rows,
        [Ok(vec!["1".to_owned(), "a".to_owned()]), Ok(vec![String::new(), "b".to_owned()])]
    );
    assert_eq!(found.skipped, Skipped { blank: 4, headers: 1, comments: 0 });
    let bytes = Book::of(rows).bytes();
    let settings = r#"{"csv":{"skip":3,"header":false,"columns":["x","y"]}}"#;
    let found = scan(settings, &["x"], &bytes, 999).expect("a workbook");
    assert_eq!((found.columns, found.rows.len()), (vec!["x".to_owned(), "y".to_owned()], 3));
    let renamed = scan(r#"{"csv":{"columns":["x","y"]}}"#, &[], &bytes, 999).expect("a workbook");
    assert_eq!((renamed.columns, renamed.rows.len()), (vec!["x".to_owned(), "y".to_owned()], 2));
    for (settings, expected, reason) in [
        (r#"{"csv":{"columns":["x"]}}"#, &[][..], Reason::RowLength),
        ("{}", &["Town"][..], Reason::MissingColumn),
    ] {
        assert_eq!(scan(settings, expected, &bytes, 999).expect_err("a fault").reason, reason);
    }
    let twice = Book::of(header(&["a", "b", "a"])).bytes();
    let fault = scan("{}", &[], &twice, 999).expect_err("twice");
    assert_eq!(fault.message, "columns A and C of the header have the same name");
    let empty = scan("{}", &["id"], &Book::of("").bytes(), 999).expect("no rows");
    assert_eq!((empty.rows.len(), empty.columns.len()), (0, 0));
}

#[test]
fn the_first_visible_sheet_of_cells_is_read_or_the_named_one() {
    let cell = |text: &str| row(1, &[("A", &inline("a"))]) + &row(2, &[("A", &inline(text))]);
    let mut book = Book::of("chart");
    book.sheets.extend([
        ("Old", "state=\"hidden\"", cell("hidden")),
        ("Orders", "", cell("right")),
        ("Other", "", cell("other")),
    ]);
    assert_eq!(read(&book).rows, [Ok(vec!["right".to_owned()])]);
    let named = |name: &str| scan(&format!(r#"{{"xlsx":{{"sheet":"{name}"}}}}"#), &[], &book.bytes(), 999);
    assert_eq!(named("Old").expect("a sheet").rows, [Ok(vec!["hidden".to_owned()])]);
    for name in ["orders", "Sheet1"] {
        let fault = named(name).expect_err("no such sheet");
        assert_eq!(
            (fault.reason, fault.message),
            (Reason::UnsupportedFormat, format!("the workbook has no sheet `{name}`"))
        );
    }
    book.sheets.truncate(2);
    let fault = scan("{}", &[], &book.bytes(), 999).expect_err("no sheet");
    assert_eq!(fault.message, "the workbook has no visible sheet with cells");
}

#[test]
fn merged_cells_are_empty_unless_they_are_filled() {
    let mut book = Book::of(
        header(&["group", "id"])
            + &row(2, &[("A", &inline("x")), ("B", "><v>1</v>")])
            + &row(3, &[("B", "><v>2</v>")])
            + &row(4, &[("A", ">"), ("B", "><v>3</v>")])
            + &row(5, &[("B", "><v>4</v>")]),
    );
    book.after = "<mergeCells count=\"1\"><mergeCell ref=\"A2:A4\"/></mergeCells>";
    let groups = |settings: &str| -> Vec<String> {
        let found = scan(settings, &[], &book.bytes(), 999).expect("a workbook");
        found.rows.into_iter().map(|row| row.expect("a row").swap_remove(0)).collect()
    };
    assert_eq!(groups("{}"), ["x", "", "", ""]);
    assert_eq!(groups(r#"{"xlsx":{"fill":"down"}}"#), ["x", "x", "x", ""]);
}

#[test]
fn what_is_no_workbook_or_too_large_is_refused() {
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let document = archive([text("[Content_Types].xml", "<Types/>"), text("word/document.xml", "<w/>")]);
    let fault = scan("{}", &[], &document, 999).expect_err("a document");
    assert!(fault.message.contains("a zip archive and not a workbook"), "{}", fault.message);
    let plain = archive([text("a.csv", "id\n1\n")]);
    for settings in ["{}", r#"{"csv":{"encoding":"shift_jis"}}"#, r#"{"csv":{"encoding":"auto"}}"#] {
        let fault = scan(settings, &[], &plain, 999).expect_err("an archive");
        assert!(fault.message.starts_with("the file is a zip archive, as .ods"), "{}", fault.message);
    }
    let book = Book::of(header(&["a"])).bytes();
    let json = scan(r#"{"format":"json-lines"}"#, &[], &book, 999).expect_err("no JSON Lines");
    assert!(json.message.contains("a zip archive"), "{}", json.message);
    let cut = scan("{}", &[], &book[..book.len() / 2], 99).expect_err("damaged");
    assert_eq!((cut.reason, &*cut.message), (Reason::UnsupportedFormat, "the file is a damaged workbook"));
    let xml = Book::of("<row r=\"1\"><c r=\"A1\"><v>1</row>").bytes();
    assert_eq!(scan("{}", &[], &xml, 999).expect_err("damaged").message, "the file is a damaged workbook");
    let wide = Book::of(row(1, &[("A", &inline("a")), ("ZZZZ", &inline("b"))])).bytes();
    assert_eq!(scan("{}", &[], &wide, 999).expect_err("damaged").message, "the file is a damaged workbook");
    let large = [&book[..], &vec![0; MAX_BYTES]].concat();
    let fault = scan("{}", &[], &large, 1 << 20).expect_err("too large");
    assert!(fault.message.contains("more than 50 MiB"), "{}", fault.message);
    // A megabyte of zeros has a kilobyte.
    let bomb = archive([
        text("[Content_Types].xml", "<Types/>"),
        text("xl/workbook.xml", "<workbook/>"),
        text("xl/sharedStrings.xml", &" ".repeat((128 << 20) + 1)),
    ]);
    assert!(bomb.len() < 1 << 20);
    let fault = scan("{}", &[], &bomb, 1 << 20).expect_err("a bomb");
    assert!(fault.message.contains("more than 128 MiB"), "{}", fault.message);
    let wide = Book::of(header(&["a"]) + &row(2, &[("A", &inline(&"x".repeat(2000)))])).bytes();
    assert_eq!(scan("{}", &[], &wide, 999).expect("a workbook").messages()[0].0, Reason::RowTooLarge);
}

#[test]
fn any_damage_is_a_fault_or_a_workbook() {
    let book = Book::of(header(&["a", "b"]) + &row(2, &[("A", "><v>1</v>")])).bytes();
    for position in (0..book.len()).step_by(3) {
        let mut bytes = book.clone();
        bytes[position] ^= 0x55;
        let _ = scan("{}", &[], &bytes, 9999).map(|found| found.rows.len());
    }
}

#[test]
fn columns_have_the_names_of_spreadsheets() {
    for (number, name) in
        [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")]
    {
        assert_eq!(sheet::column(number), name);
    }
}
