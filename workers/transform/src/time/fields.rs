//! The fields of a timestamp as a text gives them, and the day and time that they mean.

/// The cause for which a text is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The text does not fit the format.
    Syntax,
    /// A year that is not between 1000 and 9999, or is written with fewer than four digits.
    Year,
    /// A day that the calendar does not have.
    Day,
    /// A time that the clock does not have.
    Time,
    /// The second 60.
    LeapSecond,
    /// An offset that is more than a day.
    Offset,
    /// More than nine digits of a second.
    Fraction,
    /// A weekday that is not that of the date.
    Weekday,
    /// A local time that clocks skipped.
    Gap,
    /// A local time that occurs twice.
    Fold,
    /// A time of day in a date.
    TimeOfDay,
    /// `infinity`.
    Infinite,
    /// A year before the common era.
    Era,
}

/// The counting of weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum WeekStart {
    /// `%U`: week 1 begins with the first Sunday of the year.
    Sunday,
    /// `%W`: week 1 begins with the first Monday of the year.
    Monday,
    /// `%V`: week 1 is that of 4 January (ISO 8601).
    Iso,
}

/// The first year that is read; earlier ones are mistakes, such as `0026` and `0202`.
const FIRST_YEAR: u16 = 1000;

/// The seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// The fields of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) nanosecond: u32,
    /// Whether the hour is one after noon, of a clock of twelve hours.
    pub(super) afternoon: Option<bool>,
    /// Seconds east of UTC.
    pub(super) offset: Option<i32>,
    /// Seconds since 1970, and nanoseconds after them.
    pub(super) epoch: Option<(i64, u32)>,
    pub(super) day_of_year: Option<u16>,
    /// From 1, Monday, to 7.
    pub(super) weekday: Option<u8>,
    pub(super) week_year: u16,
    pub(super) week: Option<(WeekStart, u8)>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            year: 0,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            nanosecond: 0,
            afternoon: None,
            offset: None,
            epoch: None,
            day_of_year: None,
            weekday: None,
            week_year: 0,
            week: None,
        }
    }
}

impl Fields {
    /// Returns the day, counted from 1970.
    pub(super) fn day(&self) -> Result<i64, Fault> {
        let day = if let Some((start, week)) = self.week {
            self.day_of_week(start, week)?
        } else {
            let year = i64::from(checked_year(self.year)?);
            match self.day_of_year {
                Some(day) if day >= 1 && i64::from(day) <= first_day(year + 1) - first_day(year) => {
                    first_day(year) + i64::from(day) - 1
                }
                Some(_) => return Err(Fault::Day),
                None => {
                    if self.day < 1 || self.day > days_of_month(year, self.month).ok_or(Fault::Day)? {
                        return Err(Fault::Day);
                    }
                    days(year, self.month, self.day)
                }
            }
        };
        match self.weekday {
            Some(weekday) if self.week.is_none() && weekday_of(day) != weekday => Err(Fault::Weekday),
            _ => Ok(day),
        }
    }

    fn day_of_week(&self, start: WeekStart, week: u8) -> Result<i64, Fault> {
        let weekday = i64::from(self.weekday.ok_or(Fault::Syntax)?);
        let year = i64::from(checked_year(if start == WeekStart::Iso { self.week_year } else { self.year })?);
        let first = first_day(year);
        // The first day of week 1, and the number of days from it to the weekday.
        let (monday, into) = match start {
            WeekStart::Iso => {
                let fourth = first + 3;
                (fourth - i64::from(weekday_of(fourth)) + 1, weekday - 1)
            }
            WeekStart::Monday => (first + (8 - i64::from(weekday_of(first))) % 7, weekday - 1),
            WeekStart::Sunday => (first + (7 - i64::from(weekday_of(first))) % 7, weekday % 7),
        };
        let day = monday + (i64::from(week) - 1) * 7 + into;
        // A week of ISO belongs to the year of its Thursday; the others end with the year.
        let belongs = match start {
            WeekStart::Iso => date(day - into + 3).0 == year,
            _ => date(day).0 == year,
        };
        if belongs { Ok(day) } else { Err(Fault::Day) }
    }

    /// Returns whether the second is 60.
    pub(super) const fn is_leap_second(&self) -> bool {
        self.second == 60
    }

    /// Returns the second of the day. A second 60 is 59 where there may be one.
    pub(super) fn second_of_day(&self, leap_seconds: bool) -> Result<i64, Fault> {
        let hour = match self.afternoon {
            Some(true) => self.hour + 12,
            _ => self.hour,
        };
        let second = match self.second {
            60 if leap_seconds => 59,
            60 => return Err(Fault::LeapSecond),
            second => second,
        };
        if hour > 23 || self.minute > 59 || second > 59 {
            return Err(Fault::Time);
        }
        Ok(i64::from(hour) * 3600 + i64::from(self.minute) * 60 + i64::from(second))
    }
}

fn checked_year(year: u16) -> Result<u16, Fault> {
    if (FIRST_YEAR..=9999).contains(&year) { Ok(year) } else { Err(Fault::Year) }
}

/// Returns the number of days in a month; `None` if there is no such month.
pub(crate) const fn days_of_month(year: i64, month: u8) -> Option<u8> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return None,
    })
}

/// Returns the number of days from 1970-01-01 to 1 January of a year (after year 0) of the Gregorian calendar.
const fn first_day(year: i64) -> i64 {
    let before = year - 1;
    // 719,162 days are from 0001-01-01 to 1970-01-01.
    before * 365 + before / 4 - before / 100 + before / 400 - 719_162
}

/// Returns the number of days from 1970-01-01 to a day of the Gregorian calendar, which has the month and the day.
pub(crate) const fn days(year: i64, month: u8, day: u8) -> i64 {
    // Months from March, each of which begins a fixed number of days after 1 March: 31, 30, 31, 30, 31 and again.
    let (year, month) = if month > 2 { (year, month as i64 - 3) } else { (year - 1, month as i64 + 9) };
    let from_march = (153 * month + 2) / 5 + day as i64 - 1;
    // 1 March of a year is 59 days after 1 January, and the leap day before it counts to the years before.
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + from_march - 719_468
}

/// Returns the year, month and day of a day that is counted from 1970.
pub(crate) fn date(day: i64) -> (i64, u8, u8) {
    // Days since 1 March of year 0, in cycles of 400 years of 146,097 days.
    let shifted = day + 719_468;
    let (cycle, of_cycle) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + next, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

/// Returns the weekday of a day that is counted from 1970: from 1, Monday, to 7.
pub(crate) fn weekday_of(day: i64) -> u8 {
    // 1970-01-01 was a Thursday.
    u8::try_from((day + 3).rem_euclid(7) + 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;

    #[test]
    fn every_day_of_the_calendar_is_that_of_jiff() {
        // The calendar repeats itself after 400 years.
        let mut expected = Date::constant(1599, 12, 31);
        for day in days(1600, 1, 1)..=days(2400, 12, 31) {
            expected = expected.tomorrow().expect("before the year 10000");
            let (year, month, of_month) = date(day);
            assert_eq!(
                (year, i8::try_from(month), i8::try_from(of_month)),
                (i64::from(expected.year()), Ok(expected.month()), Ok(expected.day()))
            );
            assert_eq!(days(year, month, of_month), day);
            if day % 37 == 0 {
                assert_eq!(i8::try_from(weekday_of(day)), Ok(expected.weekday().to_monday_one_offset()));
                assert_eq!(
                    days_of_month(year, month).map(i64::from),
                    Some(i64::from(expected.days_in_month()))
                );
                let iso = expected.iso_week_date();
                let week = Some((WeekStart::Iso, u8::try_from(iso.week()).expect("a week")));
                let weekday = Some(weekday_of(day));
                let week_year = u16::try_from(iso.year()).expect("a year");
                assert_eq!(Fields { week_year, week, weekday, ..Fields::default() }.day(), Ok(day));
                let year = u16::try_from(year).expect("a year");
                for (start, directive) in [(WeekStart::Monday, "%W"), (WeekStart::Sunday, "%U")] {
                    let number = expected.strftime(directive).to_string().parse().expect("a number");
                    let fields = Fields { year, week: Some((start, number)), weekday, ..Fields::default() };
                    assert_eq!(fields.day(), Ok(day), "{directive} {expected}");
                }
                let of_year = Some(u16::try_from(expected.day_of_year()).expect("a day"));
                assert_eq!(Fields { year, day_of_year: of_year, ..Fields::default() }.day(), Ok(day));
            }
        }
        assert_eq!(expected, Date::constant(2400, 12, 31));
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        let fields = Fields { year: 2026, ..Fields::default() };
        for (month, day) in [(2, 29), (4, 31), (0, 1), (13, 1), (1, 0), (1, 32)] {
            assert_eq!(Fields { month, day, ..fields }.day(), Err(Fault::Day), "{month}-{day}");
        }
        for day in [0, 366] {
            assert_eq!(Fields { day_of_year: Some(day), ..fields }.day(), Err(Fault::Day), "{day}");
        }
        for week in [0, 54] {
            let fields =
                Fields { week_year: 2026, week: Some((WeekStart::Iso, week)), weekday: Some(1), ..fields };
            assert_eq!(fields.day(), Err(Fault::Day), "{week}");
        }
        assert_eq!(Fields { weekday: Some(1), ..fields }.day(), Err(Fault::Weekday), "a Thursday");
    }
}
