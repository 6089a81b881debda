//! Names of pipes, and what is wrong with others.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt;

/// The longest name that Windows takes, in UTF-16 units.
const LONGEST: usize = 256;

/// The whole name of a pipe in UTF-16 units, the last of which is NUL.
#[derive(Clone, Debug)]
pub(super) struct PipeName(Vec<u16>);

/// The machines on which a pipe may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Machine {
    This,
    Any,
}

impl PipeName {
    /// Parses a name on this machine: `\\.\pipe\` and something behind it.
    pub(super) fn local(name: &OsStr) -> io::Result<PipeName> {
        PipeName::parse(name, Machine::This)
    }

    /// Parses a name on any machine: `\\server\pipe\` is allowed as well.
    pub(super) fn anywhere(name: &OsStr) -> io::Result<PipeName> {
        PipeName::parse(name, Machine::Any)
    }

    /// Checks a name before a call sees it: CreateFile would open a file or a device by another one.
    fn parse(name: &OsStr, machine: Machine) -> io::Result<PipeName> {
        let units: Vec<u16> = name.encode_wide().collect();
        let refuse = |why: &str| {
            let message = format!(
                r"{why}: a pipe is called \\.\pipe\ and something behind it, not {}",
                name.display()
            );
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        };
        let backslash = u16::from(b'\\');
        let mut parts = units.splitn(5, |&unit| unit == backslash);
        let mut next = || parts.next().unwrap_or_default();
        let (before, between, server, kind, rest) = (next(), next(), next(), next(), next());
        let is_this_machine = server == [u16::from(b'.')];
        let is_pipe = String::from_utf16_lossy(kind).eq_ignore_ascii_case("pipe");
        if !before.is_empty() || !between.is_empty() || server.is_empty() || !is_pipe {
            return refuse("this is no name of a pipe");
        }
        if machine == Machine::This && !is_this_machine {
            return refuse("a pipe is served on the own machine");
        }
        if rest.is_empty() {
            return refuse("the name is missing");
        }
        if rest.contains(&0) {
            return refuse("there is a NUL in the name");
        }
        if units.len() > LONGEST {
            return refuse("the name is too long");
        }
        Ok(PipeName(units.into_iter().chain([0]).collect()))
    }

    /// The units, with the NUL.
    pub(super) fn units(&self) -> &[u16] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pipes_are_taken_and_others_refused_with_a_reason() {
        let long = format!(r"\\.\pipe\{}", "x".repeat(300));
        let cases = [
            (r"\\.\pipe\name", true, true),
            (r"\\.\PIPE\LOCAL\name", true, true),
            (r"\\server\pipe\name", false, true),
            ("name", false, false),
            ("", false, false),
            (r"\\.\pipe\", false, false),
            (r"\\.\pipe", false, false),
            (r"\.\pipe\name", false, false),
            (r"\\.\mailslot\name", false, false),
            (r"C:\pipe\name", false, false),
            ("\\\\.\\pipe\\na\0me", false, false),
            (&long, false, false),
        ];
        for (name, local, anywhere) in cases {
            assert_eq!(PipeName::local(name.as_ref()).is_ok(), local, "{name}");
            match PipeName::anywhere(name.as_ref()) {
                Ok(name) => assert!(anywhere && name.units().ends_with(&[0])),
                Err(error) => {
                    assert!(!anywhere, "{name}");
                    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                    assert!(error.to_string().contains(r"\\.\pipe\"), "{error}");
                }
            }
        }
    }
}
