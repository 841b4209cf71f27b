//! Time zones: those of the database in this program, never those of the machine, so that a row means the same everywhere.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use contract::settings::Fold;

use super::fields::{DAY, Fault, date, days};

/// The zone of local times.
#[derive(Debug, Clone)]
pub(super) enum Zone {
    /// UTC, which needs no database.
    Utc,
    /// A zone of the IANA's database.
    Named(TimeZone),
}

/// Abbreviations that people write for a zone, and what they mean.
const ABBREVIATIONS: &[(&[&str], &str)] = &[
    (&["MEZ", "MESZ", "CEST"], "`Europe/Berlin`, `Europe/Paris` or another city of Central Europe"),
    (&["CST", "CDT"], "`America/Chicago`, `Asia/Shanghai` or `America/Havana`"),
    (&["PST", "PDT"], "`America/Los_Angeles`"),
    (&["MDT"], "`America/Denver`"),
    (&["EDT"], "`America/New_York`"),
    (&["BST"], "`Europe/London` or `Asia/Dhaka`"),
    (&["IST"], "`Asia/Kolkata`, `Europe/Dublin` or `Asia/Jerusalem`"),
    (&["OEZ", "OESZ", "EEST"], "`Europe/Helsinki`, `Europe/Athens` or another city of Eastern Europe"),
    (&["WEST"], "`Europe/Lisbon`"),
    (&["AEST", "AEDT", "AET"], "`Australia/Sydney` or `Australia/Brisbane`"),
    (&["JST"], "`Asia/Tokyo`"),
    (&["SGT"], "`Asia/Singapore`"),
    (&["BRT"], "`America/Sao_Paulo`"),
    (&["MSK"], "`Europe/Moscow`"),
];

impl Zone {
    /// Finds a zone by its name, in any case.
    ///
    /// # Errors
    /// What is wrong with the name, and what would be right.
    pub(super) fn find(name: &str) -> Result<Self, (String, String)> {
        if ["UTC", "Etc/UTC", "Z"].iter().any(|utc| name.eq_ignore_ascii_case(utc)) {
            return Ok(Self::Utc);
        }
        let database = TimeZoneDatabase::bundled();
        let known = !name.eq_ignore_ascii_case("Etc/Unknown");
        if let Some(zone) = database.get(name).ok().filter(|_| known) {
            return Ok(Self::Named(zone));
        }
        let message = format!("`{name}` is not a time zone");
        let abbreviation = ABBREVIATIONS
            .iter()
            .find(|(names, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)));
        if let Some((_, meaning)) = abbreviation {
            return Err((message, format!("it is an abbreviation: write {meaning}")));
        }
        let offset = ["UTC", "GMT"].iter().find_map(|prefix| {
            let (beginning, rest) = name.split_at_checked(prefix.len())?;
            beginning.eq_ignore_ascii_case(prefix).then_some(rest)
        });
        if offset.unwrap_or(name).starts_with(['+', '-', '\u{2212}']) {
            let help = "an offset changes with summer time: write a city, such as `Europe/Berlin`; offsets in the file \
                        are read by `%z`, and a fixed one is `Etc/GMT-1`, which is one hour east of UTC";
            return Err((message, help.to_owned()));
        }
        let help =
            similar(&database, name).map(|name| format!("did you mean `{name}`?")).unwrap_or_else(|| {
                "zones have the names of the IANA: `Europe/Berlin`, `America/New_York`, `UTC`".to_owned()
            });
        Err((message, help))
    }

    /// Returns the offset, in seconds east of UTC, of a local time in seconds since 1970.
    pub(super) fn offset(&self, local: i64, fold: Option<Fold>) -> Result<i64, Fault> {
        let Self::Named(zone) = self else {
            return Ok(0);
        };
        match zone.to_ambiguous_timestamp(civil(local)?).offset() {
            AmbiguousOffset::Unambiguous { offset } => Ok(offset.seconds().into()),
            AmbiguousOffset::Gap { .. } => Err(Fault::Gap),
            AmbiguousOffset::Fold { before, after } => match fold {
                Some(Fold::First) => Ok(before.seconds().into()),
                Some(Fold::Second) => Ok(after.seconds().into()),
                None => Err(Fault::Fold),
            },
        }
    }

    /// Returns the offset of a local time that was calculated: of a time that was skipped as if it had not been, and of
    /// one that occurs twice the first (RFC 5545, section 3.3.5).
    pub(super) fn nearest_offset(&self, local: i64) -> Result<i64, Fault> {
        let Self::Named(zone) = self else {
            return Ok(0);
        };
        Ok(match zone.to_ambiguous_timestamp(civil(local)?).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds().into(),
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => {
                before.seconds().into()
            }
        })
    }

    /// Returns the offset of an instant in seconds since 1970.
    pub(super) fn offset_at(&self, seconds: i64) -> Result<i64, Fault> {
        let Self::Named(zone) = self else {
            return Ok(0);
        };
        // The last instant of `jiff` is on 9999-12-30, and no clock changes in the hours after it.
        let seconds = seconds.min(jiff::Timestamp::MAX.as_second());
        let instant = jiff::Timestamp::from_second(seconds).map_err(|_| Fault::Year)?;
        Ok(zone.to_offset(instant).seconds().into())
    }

    /// Returns the name for messages.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Utc => "UTC",
            Self::Named(zone) => zone.iana_name().unwrap_or_default(),
        }
    }
}

/// Returns the time of a clock, of a local time in seconds since 1970.
fn civil(local: i64) -> Result<DateTime, Fault> {
    let (year, month, day) = date(local.div_euclid(DAY));
    let second = i32::try_from(local.rem_euclid(DAY)).map_err(|_| Fault::Time)?;
    let part = |value: i32| i8::try_from(value).map_err(|_| Fault::Time);
    let month = i8::try_from(month).map_err(|_| Fault::Day)?;
    let day = i8::try_from(day).map_err(|_| Fault::Day)?;
    let year = i16::try_from(year).map_err(|_| Fault::Year)?;
    DateTime::new(year, month, day, part(second / 3600)?, part(second / 60 % 60)?, part(second % 60)?, 0)
        .map_err(|_| Fault::Year)
}

/// Returns the zone whose name, or city, is most like a text.
fn similar(database: &TimeZoneDatabase, text: &str) -> Option<String> {
    let wanted = text.trim().replace(' ', "_").to_lowercase();
    let mut best: Option<(f64, String)> = None;
    for zone in database.available() {
        let name = zone.as_str();
        let lower = name.to_lowercase();
        let city = lower.rsplit('/').next().unwrap_or_default();
        let likeness = strsim::jaro_winkler(&lower, &wanted).max(strsim::jaro_winkler(city, &wanted));
        // Names with a continent come before the old ones without.
        let likeness = if name.contains('/') { likeness } else { likeness - 0.05 };
        if likeness > 0.85 && best.as_ref().is_none_or(|(most, _)| likeness > *most) {
            best = Some((likeness, name.to_owned()));
        }
    }
    best.map(|(_, name)| name)
}

/// Returns the seconds since 1970 of midnight of a day.
pub(super) const fn midnight(year: i64, month: u8, day: u8) -> i64 {
    days(year, month, day) * DAY
}
