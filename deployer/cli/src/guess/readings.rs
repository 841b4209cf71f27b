//! The ways in which the values of a column can be read. Each is a field of `transform`, and the code of `transform`
//! itself decides whether a value fits it.

use std::sync::LazyLock;

use contract::settings::{FieldSettings, TransformSettings, Type};
use transform::{Cell, Context, Mapping, Sensitive, Transform};

/// A way to read the values of a column.
#[derive(Debug)]
pub struct Reading {
    /// The properties of the field, without its name and its column.
    pub settings: FieldSettings,
    /// The kind of reading.
    pub is: Is,
    mapping: Option<Mapping<'static>>,
}

/// The kind of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// A whole number.
    Integer,
    /// A number with this character before the decimals, and this one between groups of digits.
    Number(char, Option<char>),
    /// One of the words for true and false that databases and libraries write.
    Boolean,
    /// JSON.
    Json,
    /// A day or an instant in ISO 8601.
    Iso,
    /// A day or an instant in a format in which the parts of the date have this order.
    Time(Order),
}

/// The order of the parts of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The day, the month, the year.
    Day,
    /// The month, the day, the year.
    Month,
    /// The year, the month, the day.
    Year,
}

/// Formats of days, most preferred first.
const DAYS: [(&str, Order); 15] = [
    ("%Y/%m/%d", Order::Year),
    ("%Y.%m.%d", Order::Year),
    // With points, the day is first: nobody writes the month before it.
    ("%d.%m.%Y", Order::Day),
    ("%d/%m/%Y", Order::Day),
    ("%m/%d/%Y", Order::Month),
    ("%d-%m-%Y", Order::Day),
    ("%m-%d-%Y", Order::Month),
    ("%d.%m.%y", Order::Day),
    ("%d/%m/%y", Order::Day),
    ("%m/%d/%y", Order::Month),
    ("%d %b %Y", Order::Day),
    ("%d-%b-%Y", Order::Day),
    ("%d-%b-%y", Order::Day),
    ("%b %d, %Y", Order::Month),
    ("%B %d, %Y", Order::Month),
];

/// Formats of times that follow a day.
const TIMES: [&str; 5] = ["%H:%M", "%H:%M:%S", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p"];

/// Formats of instants whose day and time belong together.
const INSTANTS: [(&str, Order); 1] = [("%d/%b/%Y:%H:%M:%S %z", Order::Day)];

/// Formats of numbers: the character before decimals, and that between groups.
const NUMBERS: [(char, Option<char>); 7] = [
    ('.', None),
    ('.', Some(',')),
    (',', None),
    (',', Some('.')),
    ('.', Some(' ')),
    (',', Some(' ')),
    ('.', Some('\'')),
];

/// The only column of the rows that are tried.
static HEADER: LazyLock<Vec<String>> = LazyLock::new(|| vec!["value".to_owned()]);

/// The fields of all readings, ready for rows; `None` for one that `transform` refuses.
static TRANSFORMS: LazyLock<Vec<(Is, FieldSettings, Option<Transform>)>> = LazyLock::new(|| {
    let of = |kind: Type| FieldSettings { kind: Some(kind), ..FieldSettings::default() };
    let mut all = vec![(Is::Integer, of(Type::Integer))];
    all.extend(NUMBERS.map(|(decimal, group)| {
        let decimals = (decimal != '.').then_some(decimal);
        (Is::Number(decimal, group), FieldSettings { decimal: decimals, group, ..of(Type::Number) })
    }));
    all.push((Is::Boolean, of(Type::Boolean)));
    all.push((Is::Json, of(Type::Json)));
    all.push((Is::Iso, of(Type::Date)));
    all.push((Is::Iso, of(Type::Timestamp)));
    let with = |kind: Type, format: String| FieldSettings { format: Some(vec![format]), ..of(kind) };
    for (day, order) in DAYS {
        all.push((Is::Time(order), with(Type::Date, day.to_owned())));
    }
    for (day, order) in DAYS {
        all.extend(TIMES.map(|time| (Is::Time(order), with(Type::Timestamp, format!("{day} {time}")))));
    }
    all.extend(INSTANTS.map(|(format, order)| (Is::Time(order), with(Type::Timestamp, format.to_owned()))));
    let ready = |(is, settings): (Is, FieldSettings)| {
        let from = HEADER.first().cloned();
        let field = FieldSettings { name: "value".to_owned(), from, ..settings.clone() };
        let fields = TransformSettings { fields: vec![field], ..TransformSettings::default() };
        (is, settings, Transform::new(&fields, None).ok())
    };
    all.into_iter().map(ready).collect()
});

static READINGS: LazyLock<Vec<Reading>> = LazyLock::new(|| {
    let bind = |(is, settings, transform): &'static (Is, FieldSettings, Option<Transform>)| Reading {
        settings: settings.clone(),
        is: *is,
        mapping: transform.as_ref().and_then(|transform| transform.bind(&HEADER, Sensitive::Clear).ok()),
    };
    TRANSFORMS.iter().map(bind).collect()
});

/// Returns all readings. The position of a reading is its number.
pub fn all() -> &'static [Reading] {
    &READINGS
}

impl Reading {
    /// Returns whether `transform` takes a value.
    pub fn fits(&self, text: &str) -> bool {
        const CONTEXT: Context<'static> = Context { bucket: "", key: "", version: None, index: 1 };
        let cells = [Cell { text, quoted: false }];
        self.mapping.as_ref().is_some_and(|mapping| mapping.row(&cells, &CONTEXT).is_ok())
    }

    /// Returns the type of the field.
    pub fn kind(&self) -> Type {
        self.settings.kind.unwrap_or(Type::String)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transform_takes_every_reading() {
        for reading in all() {
            assert!(reading.mapping.is_some(), "{:?}", reading.settings);
        }
        // A number is kept in a byte.
        assert!(all().len() < 256, "{}", all().len());
    }

    #[test]
    fn a_value_fits_the_readings_of_its_form() {
        let fitting = |text: &str| -> Vec<String> {
            let fits = all().iter().filter(|reading| reading.fits(text));
            fits.map(|reading| match &reading.settings.format {
                Some(formats) => formats.join(","),
                None => format!("{:?}", reading.is),
            })
            .collect()
        };
        assert_eq!(fitting("31/01/2026"), ["%d/%m/%Y"]);
        assert_eq!(fitting("01/31/2026"), ["%m/%d/%Y"]);
        assert_eq!(fitting("01/02/2026"), ["%d/%m/%Y", "%m/%d/%Y"]);
        assert_eq!(fitting("31.01.2026 12:30"), ["%d.%m.%Y %H:%M"]);
        assert_eq!(fitting("Town"), [""; 0]);
        assert!(fitting("2026-01-31").contains(&"Iso".to_owned()));
        assert!(fitting("[1, 2]").contains(&"Json".to_owned()));
    }
}
