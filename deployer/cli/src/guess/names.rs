//! Names: those of attributes, made of the names of columns, and the meaning that a name suggests.

use std::collections::{HashMap, HashSet};

/// The greatest number of characters of an attribute's name. A name is a part of every item, and is paid for there.
const MAX_CHARACTERS: usize = 60;

/// Returns names of attributes, each once, for the names of columns: `House No.` becomes `house_no`.
pub fn attributes<'n>(columns: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut taken = HashSet::new();
    // The next number to try for a name that is taken, so that many equal names don't try all of them again.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::new();
    for column in columns {
        let name = attribute(column);
        let mut unique = name.clone();
        if !taken.insert(unique.clone()) {
            let number = numbers.entry(name.clone()).or_insert(2);
            loop {
                unique = format!("{name}_{number}");
                *number += 1;
                if taken.insert(unique.clone()) {
                    break;
                }
            }
        }
        names.push(unique);
    }
    names
}

/// Returns the name of an attribute, in lower case with underscores between its words.
fn attribute(column: &str) -> String {
    let mut name = String::new();
    let characters: Vec<char> = column.chars().collect();
    for (position, character) in characters.iter().copied().enumerate() {
        if !is_letter(character) {
            if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
            continue;
        }
        let before = position.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(position + 1);
        // `OrderID` has two words, and so has `IDNumber`.
        let begins = character.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if begins && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    let name: String = name.trim_matches('_').chars().take(MAX_CHARACTERS).collect();
    let name = name.trim_end_matches('_');
    if name.is_empty() { "column".to_owned() } else { name.to_owned() }
}

/// Returns whether the character belongs to a word; accents that are characters of their own do.
fn is_letter(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '\u{300}'..='\u{36f}')
}

/// The greatest number of bytes of the name of a column that is used: the names of all fields have to fit into 4 KB.
pub const MAX_BYTES: usize = 1_024;

/// Returns whether a column can be named in `stack.yaml`: it has a name, which is not too long and without the character
/// that AWS refuses.
pub fn is_usable(column: &str) -> bool {
    !column.is_empty() && column.len() <= MAX_BYTES && !column.contains('\0')
}

/// The last words of names of identifiers, in several languages.
const NUMBERS: [&str; 25] = [
    "number",
    "no",
    "nr",
    "num",
    "nbr",
    "code",
    "key",
    "ref",
    "reference",
    "sku",
    "isbn",
    "ean",
    "gtin",
    "barcode",
    "nummer",
    "numero",
    "numéro",
    "número",
    "kennung",
    "clave",
    "codigo",
    "código",
    "serial",
    "slug",
    "vin",
];

/// Words that end in `id` and name no identifier.
const NOT_IDS: [&str; 30] = [
    "paid", "unpaid", "prepaid", "repaid", "valid", "invalid", "bid", "aid", "grid", "void", "avoid",
    "solid", "fluid", "liquid", "acid", "hybrid", "covid", "rapid", "kid", "said", "mid", "lid", "rid",
    "did", "raid", "humid", "android", "pyramid", "fraid", "braid",
];

/// The greatest rank of a name that is one of an identifier.
pub const IDENTIFIER: u8 = 2;

/// Returns how much a name is one of an identifier: 0 for `id`, 1 for `order_id`, 2 for `invoice_number`, 3 for others.
pub fn identifier_rank(column: &str) -> u8 {
    let name = attribute(column);
    let is_id = |word: &str| matches!(word, "id" | "uuid" | "guid" | "pk" | "identifier" | "oid");
    let last = name.rsplit('_').next().unwrap_or_default();
    if is_id(&name) {
        0
    } else if is_id(last) {
        1
    } else if NUMBERS.contains(&last)
        || ["id", "uuid", "guid"].iter().any(|end| last.len() > end.len() + 1 && last.ends_with(end))
            && !NOT_IDS.contains(&last)
    {
        2
    } else {
        3
    }
}

/// Words of names whose digits are no numbers: nobody adds them, and leading zeros belong to them.
const CODES: [&str; 38] = [
    "zip",
    "zipcode",
    "postcode",
    "postal",
    "plz",
    "cap",
    "phone",
    "tel",
    "telephone",
    "telefon",
    "mobile",
    "handy",
    "fax",
    "iban",
    "bic",
    "account",
    "konto",
    "card",
    "ssn",
    "tax",
    "vat",
    "isbn",
    "issn",
    "ean",
    "gtin",
    "upc",
    "barcode",
    "sku",
    "siren",
    "siret",
    "fips",
    "code",
    "iso",
    "ip",
    "version",
    "password",
    "pin",
    "serial",
];

/// Returns whether digits in the column are a code rather than a number, as its name suggests.
pub fn is_code(column: &str) -> bool {
    attribute(column).split('_').any(|word| CODES.contains(&word))
}

/// Words of names, and what such columns contain.
const SENSITIVE: [(&[&str], &str); 12] = [
    (&["email", "mail", "emails"], "e-mail addresses"),
    (&["phone", "telephone", "telefon", "tel", "mobile", "handy", "cell", "fax"], "phone numbers"),
    (&["iban", "bic", "account", "konto", "kontonummer"], "bank accounts"),
    (&["ssn", "nino", "passport", "nationalid", "steuerid", "taxid", "tin"], "official numbers of persons"),
    (&["card", "creditcard", "pan", "cvv", "cvc"], "payment cards"),
    (&["password", "passwd", "pwd", "secret", "token", "pin"], "secrets"),
    (
        &["birth", "birthday", "birthdate", "dob", "dateofbirth", "geburtsdatum", "geburtstag"],
        "dates of birth",
    ),
    (&["salary", "income", "gehalt", "wage"], "incomes"),
    (&["firstname", "lastname", "surname", "fullname", "vorname", "nachname"], "names of persons"),
    (&["diagnosis", "patient", "disability", "religion", "ethnicity"], "personal data"),
    (&["license", "licence"], "official numbers of persons"),
    (&["ip", "ipaddress"], "network addresses of persons"),
];

/// Pairs of words that mean the same as a single word of [`SENSITIVE`].
const SENSITIVE_PAIRS: [(&str, &str, &str); 7] = [
    ("e", "mail", "e-mail addresses"),
    ("social", "security", "official numbers of persons"),
    ("national", "id", "official numbers of persons"),
    ("tax", "id", "official numbers of persons"),
    ("first", "name", "names of persons"),
    ("last", "name", "names of persons"),
    ("full", "name", "names of persons"),
];

/// Returns the sensitive data that a column contains, as its name suggests.
pub fn sensitive(column: &str) -> Option<&'static str> {
    let name = attribute(column);
    let words: Vec<&str> = name.split('_').collect();
    let single = SENSITIVE.iter().find(|(known, _)| words.iter().any(|word| known.contains(word)));
    single.map(|(_, what)| *what).or_else(|| {
        words.windows(2).find_map(|pair| {
            SENSITIVE_PAIRS.iter().find(|(one, other, _)| pair == [*one, *other]).map(|(.., what)| *what)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_names_an_attribute() {
        for (column, name) in [
            ("ID", "id"),
            ("Order ID", "order_id"),
            ("HouseNum", "house_num"),
            ("OrderID", "order_id"),
            ("IDNumber", "id_number"),
            ("  Größe (cm) ", "größe_cm"),
            ("cafe\u{301}", "cafe\u{301}"),
            ("1960", "1960"),
            ("a: b # c\n\"d\"", "a_b_c_d"),
            ("名前", "名前"),
            ("%", "column"),
            ("utm_source", "utm_source"),
            ("ALL_CAPS2", "all_caps2"),
        ] {
            assert_eq!(attribute(column), name, "{column}");
        }
        assert_eq!(attributes(["a", "A", "a b", "a_2"]), ["a", "a_2", "a_b", "a_2_2"]);
        assert_eq!(attribute(&"x".repeat(500)).len(), MAX_CHARACTERS);
    }

    #[test]
    fn identifiers_are_ranked() {
        for (column, rank) in [
            ("id", 0),
            ("UUID", 0),
            ("Order ID", 1),
            ("customer_guid", 1),
            ("orderid", 2),
            ("Invoice Number", 2),
            ("Rechnungsnummer", 3),
            ("Order No.", 2),
            ("paid", 3),
            ("grid", 3),
            ("id_type", 3),
            ("town", 3),
        ] {
            assert_eq!(identifier_rank(column), rank, "{column}");
        }
    }

    #[test]
    fn twenty_thousand_columns_of_one_name_each_have_their_own() {
        let names = attributes(std::iter::repeat_n("a", 20_000).chain(["a_2", "A"]));
        assert_eq!((names[0].as_str(), names[19_999].as_str()), ("a", "a_20000"));
        assert_eq!((names[20_000].as_str(), names[20_001].as_str()), ("a_2_2", "a_20001"));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 20_002);
    }

    #[test]
    fn names_suggest_codes_and_sensitive_data() {
        assert!(is_code("Zip") && is_code("home_phone") && is_code("Post Code") && !is_code("amount"));
        for (column, what) in [
            ("E-Mail", Some("e-mail addresses")),
            ("Customer Email", Some("e-mail addresses")),
            ("DateOfBirth", Some("dates of birth")),
            ("First Name", Some("names of persons")),
            ("card_number", Some("payment cards")),
            ("name", None),
            ("description", None),
            ("total", None),
        ] {
            assert_eq!(sensitive(column), what, "{column}");
        }
    }
}
