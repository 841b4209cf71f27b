//! The check that a binary would run in Lambda and in an empty image, before anything is published.
//!
//! Both require the same: a 64-bit program for their processor that brings its own C library. The fields are those of
//! `elf(5)`.

use deployer_lang::model::code::Architecture;
use object::LittleEndian;
use object::elf::{ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use regex::bytes::{Captures, Regex};

use crate::Error;

/// The pattern of GNU's C library and its version in a program that brings it: the text that `libc.so.6` prints.
const BANNER: &str = r"(?-u)GNU C Library \([^\x00\n]*\) \w+ release version (\d+)\.(\d+)";
/// The version since which name resolution is part of the C library; before, it is loaded from files that neither an
/// empty image nor Lambda has: GNU C Library 2.34 release notes.
const RESOLVES_NAMES_SINCE: (u32, u32) = (2, 34);
const OLD_HINT: &str = "build where GNU's C library is 2.34 or newer (Debian 12, Ubuntu 22.04, RHEL 9, Amazon Linux 2023, or a \
    container of one of them), or use a deployer that carries its workers";
const HINT: &str = "code runs as a static Linux program: remove the file and deploy again, or build with \
    RUSTFLAGS=\"-C target-feature=+crt-static\" and --target x86_64-unknown-linux-gnu (aarch64-… for arm64)";

/// Checks a binary; `what` names it in the error.
///
/// # Errors
/// If it is not a static program for this processor, with the kind that it is instead.
pub fn check(what: &str, bytes: &[u8], architecture: Architecture) -> Result<(), Error> {
    let found = match inspect(bytes, architecture) {
        Some(Found::Static) => return check_library(what, bytes),
        Some(Found::Other(found)) => found,
        None => "a truncated or damaged ELF file".to_owned(),
    };
    Err(Error::new(format!("{what} is {found}; expected a static {} program", architecture.name()))
        .hint(HINT))
}

/// Refuses a program whose C library could not resolve names on its target.
fn check_library(what: &str, bytes: &[u8]) -> Result<(), Error> {
    let pattern = Regex::new(BANNER).map_err(|error| Error::new(error.to_string()))?;
    let number = |found: &Captures<'_>, at: usize| {
        std::str::from_utf8(found.get(at)?.as_bytes()).ok()?.parse::<u32>().ok()
    };
    // A program without this text has another library, such as musl, which always resolved names by itself.
    let version = pattern.captures(bytes).and_then(|found| Some((number(&found, 1)?, number(&found, 2)?)));
    match version {
        Some(version) if version < RESOLVES_NAMES_SINCE => Err(Error::new(format!(
                "{what} was built with version {}.{} of GNU's C library, with which it can't resolve host names where it runs; \
                 expected {}.{} or newer",
                version.0, version.1, RESOLVES_NAMES_SINCE.0, RESOLVES_NAMES_SINCE.1
        ))
        .hint(OLD_HINT)),
        _ => Ok(()),
    }
}

enum Found {
    Static,
    Other(String),
}

/// Returns the kind of a file; `None` when it ends before its headers do.
fn inspect(bytes: &[u8], architecture: Architecture) -> Option<Found> {
    let other = |text: &str| Some(Found::Other(text.to_owned()));
    if !bytes.starts_with(&ELFMAG) {
        return other(match bytes {
            [] => "empty",
            [0xcf, 0xfa, 0xed, 0xfe, ..] => "a macOS program",
            [b'M', b'Z', ..] => "a Windows program",
            _ => "not an ELF file",
        });
    }
    if bytes.get(4..6)? != [ELFCLASS64, ELFDATA2LSB] {
        return other("an ELF file for a 32-bit or big-endian machine");
    }
    let header = FileHeader64::<LittleEndian>::parse(bytes).ok()?;
    match (header.e_machine(LittleEndian), architecture) {
        (EM_X86_64, Architecture::X86_64) | (EM_AARCH64, Architecture::Arm64) => {}
        (EM_X86_64, Architecture::Arm64) => return other("a program for x86_64"),
        (EM_AARCH64, Architecture::X86_64) => return other("a program for arm64"),
        (machine, _) => {
            return Some(Found::Other(format!("a program for another machine (ELF machine {machine})")));
        }
    }
    if !matches!(header.e_type(LittleEndian), ET_EXEC | ET_DYN) {
        return other("an ELF file that is not a program");
    }
    for segment in header.program_headers(LittleEndian, bytes).ok()? {
        if let Some(loader) = segment.interpreter(LittleEndian, bytes).ok()? {
            let loader = String::from_utf8_lossy(loader);
            return Some(Found::Other(format!("dynamically linked (it requires {loader})")));
        }
    }
    Some(Found::Static)
}

#[cfg(test)]
pub(crate) mod tests {
    use object::elf::{EV_CURRENT, PT_INTERP};

    use super::*;

    /// Creates a header and one program header of a type, followed by the text that the latter is about.
    fn elf(machine: u16, kind: u32, text: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 64 + 56];
        out[..4].copy_from_slice(&ELFMAG);
        (out[4], out[5], out[6]) = (ELFCLASS64, ELFDATA2LSB, EV_CURRENT);
        out[16..18].copy_from_slice(&ET_DYN.to_le_bytes());
        out[18..20].copy_from_slice(&machine.to_le_bytes());
        out[32..40].copy_from_slice(&64_u64.to_le_bytes());
        out[54..56].copy_from_slice(&56_u16.to_le_bytes());
        out[56..58].copy_from_slice(&1_u16.to_le_bytes());
        out[64..68].copy_from_slice(&kind.to_le_bytes());
        out[72..80].copy_from_slice(&120_u64.to_le_bytes());
        out[96..104].copy_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend(text);
        out
    }

    /// Creates a file that is a static program by its headers.
    pub fn program() -> Vec<u8> {
        elf(EM_X86_64, 1, b"")
    }

    fn check(what: &str, bytes: &[u8]) -> Result<(), Error> {
        super::check(what, bytes, Architecture::X86_64)
    }

    fn complaint(bytes: &[u8]) -> String {
        check("x", bytes).expect_err("must be refused").message
    }

    #[test]
    fn a_static_program_passes() {
        assert!(check("x", &elf(EM_X86_64, 1, b"")).is_ok());
        assert!(super::check("x", &elf(EM_AARCH64, 1, b""), Architecture::Arm64).is_ok());
        assert!(super::check("x", &elf(EM_X86_64, 1, b""), Architecture::Arm64).is_err());
    }

    #[test]
    fn others_are_named() {
        assert_eq!(
            complaint(&elf(EM_X86_64, PT_INTERP, b"/lib64/ld-linux-x86-64.so.2\0")),
            "x is dynamically linked (it requires /lib64/ld-linux-x86-64.so.2); expected a static x86_64 program"
        );
        assert!(complaint(&elf(183, 1, b"")).contains("arm64"));
        assert!(complaint(&elf(8, 1, b"")).contains("machine 8"));
        assert!(complaint(b"#!/bin/sh\n").contains("not an ELF file"));
        assert!(complaint(b"").contains("empty"));
        assert!(complaint(&[0xcf, 0xfa, 0xed, 0xfe]).contains("macOS"));
        let mut narrow = elf(EM_X86_64, 1, b"");
        narrow[4] = 1;
        assert!(complaint(&narrow).contains("32-bit"));
    }

    #[test]
    fn a_library_that_resolves_no_names_by_itself_is_refused() {
        let with =
            |text: &str| [elf(EM_X86_64, 1, b"").as_slice(), b"\0\xff", text.as_bytes(), b"\0"].concat();
        for (text, passes) in [
            ("GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.", true),
            ("GNU C Library (Ubuntu GLIBC 2.35-0ubuntu3.8) stable release version 2.35.", true),
            ("GNU C Library (GNU libc) stable release version 2.34.", true),
            ("GNU C Library (GNU libc) development release version 3.0.", true),
            ("GNU C Library (Debian GLIBC 2.31-13+deb11u11) stable release version 2.31.", false),
            ("GNU C Library (Ubuntu GLIBC 2.31-0ubuntu9.16) stable release version 2.31.", false),
            ("GNU C Library (GNU libc) stable release version 2.28.", false),
            ("GNU C Library (GNU libc) stable release version 2.26.", false),
            ("musl libc (x86_64)", true),
        ] {
            assert_eq!(check("x", &with(text)).is_ok(), passes, "{text}");
        }
        let old = with("GNU C Library (GNU libc) stable release version 2.31.");
        let message = check("extraction", &old).expect_err("old");
        assert!(message.message.starts_with("extraction was built with version 2.31 "), "{message}");
        assert!(message.hint.expect("a way out").contains("Amazon Linux 2023"));
    }

    #[test]
    fn no_prefix_of_a_program_panics() {
        let whole = elf(EM_X86_64, PT_INTERP, b"/lib/ld\0");
        for end in 0..whole.len() {
            assert!(check("x", &whole[..end]).is_err(), "{end}");
        }
        // These offsets are at the end of the number range.
        let mut wild = whole;
        wild[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(check("x", &wild).is_err());
    }
}
