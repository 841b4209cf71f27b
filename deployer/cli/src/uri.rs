//! Paths as URIs.

/// Returns a path as a reference of RFC 3986: relative to where the command ran, unless it is absolute.
#[must_use]
pub fn of_path(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.trim_start_matches("./").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    match path.starts_with('/') {
        true => format!("file://{uri}"),
        false => uri,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_path_is_a_uri_of_a_file() {
        assert_eq!(of_path("/a b/stack.yaml"), "file:///a%20b/stack.yaml");
        assert_eq!(of_path("../stack.yaml"), "../stack.yaml");
    }
}
