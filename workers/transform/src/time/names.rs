//! Names of months and weekdays, by language.
//!
//! The names are those of Unicode's CLDR (wide and abbreviated, in dates and by themselves), in lower case and without
//! full stops, with the spellings that spreadsheets and databases write beside them.

/// The names of one language. Each entry has the spellings of one name, with blanks between them.
#[derive(Debug)]
pub(super) struct Names {
    months: [&'static str; 12],
    /// From Monday on.
    weekdays: [&'static str; 7],
}

/// The languages by their codes (ISO 639-1).
pub(super) const LANGUAGES: &[(&str, Names)] = &[
    (
        "en",
        Names {
            months: [
                "january jan",
                "february feb",
                "march mar",
                "april apr",
                "may",
                "june jun",
                "july jul",
                "august aug",
                "september sep sept",
                "october oct",
                "november nov",
                "december dec",
            ],
            weekdays: [
                "monday mon",
                "tuesday tue tues",
                "wednesday wed",
                "thursday thu thur thurs",
                "friday fri",
                "saturday sat",
                "sunday sun",
            ],
        },
    ),
    (
        "de",
        Names {
            months: [
                "januar jan jänner jän",
                "februar feb feber",
                "märz mär mrz maerz",
                "april apr",
                "mai",
                "juni jun",
                "juli jul",
                "august aug",
                "september sep sept",
                "oktober okt",
                "november nov",
                "dezember dez",
            ],
            weekdays: [
                "montag mo mon",
                "dienstag di die",
                "mittwoch mi mit",
                "donnerstag do don",
                "freitag fr fre",
                "samstag sa sam sonnabend",
                "sonntag so son",
            ],
        },
    ),
    (
        "fr",
        Names {
            months: [
                "janvier janv jan",
                "février févr fév fevrier fevr fev",
                "mars",
                "avril avr",
                "mai",
                "juin",
                "juillet juil",
                "août aout aoû",
                "septembre sept sep",
                "octobre oct",
                "novembre nov",
                "décembre déc decembre dec",
            ],
            weekdays: [
                "lundi lun",
                "mardi mar",
                "mercredi mer",
                "jeudi jeu",
                "vendredi ven",
                "samedi sam",
                "dimanche dim",
            ],
        },
    ),
    (
        "es",
        Names {
            months: [
                "enero ene",
                "febrero feb",
                "marzo mar",
                "abril abr",
                "mayo may",
                "junio jun",
                "julio jul",
                "agosto ago",
                "septiembre sept sep setiembre set",
                "octubre oct",
                "noviembre nov",
                "diciembre dic",
            ],
            weekdays: [
                "lunes lun",
                "martes mar",
                "miércoles mié miercoles mie",
                "jueves jue",
                "viernes vie",
                "sábado sáb sabado sab",
                "domingo dom",
            ],
        },
    ),
    (
        "it",
        Names {
            months: [
                "gennaio gen",
                "febbraio feb",
                "marzo mar",
                "aprile apr",
                "maggio mag",
                "giugno giu",
                "luglio lug",
                "agosto ago",
                "settembre set sett",
                "ottobre ott",
                "novembre nov",
                "dicembre dic",
            ],
            weekdays: [
                "lunedì lun lunedi",
                "martedì mar martedi",
                "mercoledì mer mercoledi",
                "giovedì gio giovedi",
                "venerdì ven venerdi",
                "sabato sab",
                "domenica dom",
            ],
        },
    ),
    (
        "nl",
        Names {
            months: [
                "januari jan",
                "februari feb",
                "maart mrt maa",
                "april apr",
                "mei",
                "juni jun",
                "juli jul",
                "augustus aug",
                "september sep sept",
                "oktober okt",
                "november nov",
                "december dec",
            ],
            weekdays: [
                "maandag ma",
                "dinsdag di",
                "woensdag wo",
                "donderdag do",
                "vrijdag vr",
                "zaterdag za",
                "zondag zo",
            ],
        },
    ),
    (
        "pt",
        Names {
            months: [
                "janeiro jan",
                "fevereiro fev",
                "março mar marco",
                "abril abr",
                "maio mai",
                "junho jun",
                "julho jul",
                "agosto ago",
                "setembro set",
                "outubro out",
                "novembro nov",
                "dezembro dez",
            ],
            weekdays: [
                "segunda-feira seg segunda",
                "terça-feira ter terça",
                "quarta-feira qua quarta",
                "quinta-feira qui quinta",
                "sexta-feira sex sexta",
                "sábado sáb sabado sab",
                "domingo dom",
            ],
        },
    ),
    (
        "sv",
        Names {
            months: [
                "januari jan",
                "februari feb",
                "mars mar",
                "april apr",
                "maj",
                "juni jun",
                "juli jul",
                "augusti aug",
                "september sep sept",
                "oktober okt",
                "november nov",
                "december dec",
            ],
            weekdays: [
                "måndag mån mandag",
                "tisdag tis",
                "onsdag ons",
                "torsdag tors tor",
                "fredag fre",
                "lördag lör",
                "söndag sön",
            ],
        },
    ),
    (
        "da",
        Names {
            months: [
                "januar jan",
                "februar feb",
                "marts mar",
                "april apr",
                "maj",
                "juni jun",
                "juli jul",
                "august aug",
                "september sep sept",
                "oktober okt",
                "november nov",
                "december dec",
            ],
            weekdays: [
                "mandag man",
                "tirsdag tirs tir",
                "onsdag ons",
                "torsdag tors tor",
                "fredag fre",
                "lørdag lør",
                "søndag søn",
            ],
        },
    ),
    (
        "nb",
        Names {
            months: [
                "januar jan",
                "februar feb",
                "mars mar",
                "april apr",
                "mai",
                "juni jun",
                "juli jul",
                "august aug",
                "september sep sept",
                "oktober okt",
                "november nov",
                "desember des",
            ],
            weekdays: [
                "mandag man",
                "tirsdag tirs tir",
                "onsdag ons",
                "torsdag tors tor",
                "fredag fre",
                "lørdag lør",
                "søndag søn",
            ],
        },
    ),
    (
        "fi",
        Names {
            months: [
                "tammikuuta tammikuu tammi tammik",
                "helmikuuta helmikuu helmi helmik",
                "maaliskuuta maaliskuu maalis maalisk",
                "huhtikuuta huhtikuu huhti huhtik",
                "toukokuuta toukokuu touko toukok",
                "kesäkuuta kesäkuu kesä kesäk",
                "heinäkuuta heinäkuu heinä heinäk",
                "elokuuta elokuu elo elok",
                "syyskuuta syyskuu syys syysk",
                "lokakuuta lokakuu loka lokak",
                "marraskuuta marraskuu marras marrask",
                "joulukuuta joulukuu joulu jouluk",
            ],
            weekdays: [
                "maanantai ma maanantaina",
                "tiistai ti tiistaina",
                "keskiviikko ke keskiviikkona",
                "torstai to torstaina",
                "perjantai pe perjantaina",
                "lauantai la lauantaina",
                "sunnuntai su sunnuntaina",
            ],
        },
    ),
    (
        "pl",
        Names {
            months: [
                "stycznia styczeń sty",
                "lutego luty lut",
                "marca marzec mar",
                "kwietnia kwiecień kwi",
                "maja maj",
                "czerwca czerwiec cze",
                "lipca lipiec lip",
                "sierpnia sierpień sie",
                "września wrzesień wrz",
                "października październik paź",
                "listopada listopad lis",
                "grudnia grudzień gru",
            ],
            weekdays: [
                "poniedziałek pon",
                "wtorek wt wto",
                "środa śr śro",
                "czwartek czw",
                "piątek pt pią",
                "sobota sob",
                "niedziela niedz nie ndz",
            ],
        },
    ),
    (
        "cs",
        Names {
            months: [
                "ledna leden led",
                "února únor úno",
                "března březen bře",
                "dubna duben dub",
                "května květen kvě",
                "června červen čvn",
                "července červenec čvc",
                "srpna srpen srp",
                "září zář",
                "října říjen říj",
                "listopadu listopad lis",
                "prosince prosinec pro",
            ],
            weekdays: [
                "pondělí po pon",
                "úterý út úte",
                "středa st stř",
                "čtvrtek čt čtv",
                "pátek pá pát",
                "sobota so sob",
                "neděle ne ned",
            ],
        },
    ),
];

/// The language of which the names are where none is given.
const ENGLISH: &Names = &LANGUAGES[0].1;

impl Names {
    /// Returns the names of English.
    pub(super) const fn english() -> &'static Self {
        ENGLISH
    }

    /// Returns the names of a language by its code, in either case, with or without a country (`de-AT`).
    pub(super) fn of(code: &str) -> Option<&'static Self> {
        let language = code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let language = if language == "no" { "nb" } else { language.as_str() };
        LANGUAGES.iter().find(|(known, _)| *known == language).map(|(_, names)| names)
    }

    /// Reads the name of a month at the beginning of a text, and returns its number from 1 and the rest.
    pub(super) fn month<'t>(&self, text: &'t str) -> Option<(u8, &'t str)> {
        first_of(&self.months, text)
    }

    /// Reads the name of a weekday at the beginning of a text, and returns its number from 1, Monday, and the rest.
    pub(super) fn weekday<'t>(&self, text: &'t str) -> Option<(u8, &'t str)> {
        first_of(&self.weekdays, text)
    }
}

/// Returns the position, from 1, of the longest of the names with which the text begins, and the rest of the text.
fn first_of<'t>(names: &[&str], text: &'t str) -> Option<(u8, &'t str)> {
    let mut best: Option<(u8, &'t str)> = None;
    for (position, spellings) in (1..).zip(names) {
        for name in spellings.split(' ') {
            if let Some(rest) = without(name, text)
                && best.is_none_or(|(_, least)| rest.len() < least.len())
            {
                best = Some((position, rest));
            }
        }
    }
    best
}

/// Returns the rest of a text that begins with a name, in any case.
fn without<'t>(name: &str, text: &'t str) -> Option<&'t str> {
    // Most names differ from the text in their first letter already.
    if let (Some(first), Some(found)) = (name.as_bytes().first(), text.as_bytes().first())
        && found.is_ascii()
        && !found.eq_ignore_ascii_case(first)
        && first.is_ascii()
    {
        return None;
    }
    let mut rest = text.chars();
    for expected in name.chars() {
        let found = rest.next()?;
        if found != expected && !found.to_lowercase().eq(std::iter::once(expected)) {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_every_language_is_read_as_itself() {
        for (code, names) in LANGUAGES {
            let months = names.months.iter().zip(1..).map(|(spellings, number)| (true, spellings, number));
            let weekdays =
                names.weekdays.iter().zip(1..).map(|(spellings, number)| (false, spellings, number));
            for (month, spellings, number) in months.chain(weekdays) {
                for name in spellings.split(' ') {
                    for text in [format!("{name}!"), format!("{}!", name.to_uppercase())] {
                        let found = if month { names.month(&text) } else { names.weekday(&text) };
                        assert_eq!(found, Some((number, "!")), "{code}: {text}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_language_is_found_with_a_country() {
        assert!(Names::of("de-AT").is_some_and(|names| names.month("Jänner") == Some((1, ""))));
        assert!(Names::of("PT_BR").is_some_and(|names| names.month("Março") == Some((3, ""))));
        assert!(Names::of("no").is_some_and(|names| names.month("Des") == Some((12, ""))));
        assert!(Names::of("xx").is_none());
        assert!(Names::of("").is_none());
    }
}
