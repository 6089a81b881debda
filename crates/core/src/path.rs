//! Paths: conversion between the core's byte names and the system's paths.
//!
//! The core keeps names as bytes, which is what Linux has. On Windows a name is any sequence of
//! 16-bit units; as bytes it is WTF-8 (UTF-8 that may have unpaired surrogates), so that the core compares and
//! stores both alike and nothing is lost in either direction. The separator is `/` on both.

use std::path::{Path, PathBuf};

/// The path with exactly these bytes.
#[cfg(unix)]
pub fn to_path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// The bytes of a path.
#[cfg(unix)]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

/// The path that the WTF-8 `bytes` stand for, with this system's separators.
#[cfg(windows)]
pub fn to_path(bytes: Vec<u8>) -> PathBuf {
    use std::os::windows::ffi::OsStringExt;
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = &bytes[..];
    while let Some((point, len)) = next_code_point(rest) {
        rest = &rest[len..];
        let point = if point == u32::from('/') {
            u32::from('\\')
        } else {
            point
        };
        match u16::try_from(point) {
            Ok(unit) => units.push(unit),
            Err(_) => {
                let above = point - 0x1_0000;
                units.push(0xd800 | (above >> 10) as u16);
                units.push(0xdc00 | (above & 0x3ff) as u16);
            }
        }
    }
    std::ffi::OsString::from_wide(&units).into()
}

/// The first code point of WTF-8 `bytes` and its length in bytes. A byte that begins none is U+FFFD.
#[cfg(windows)]
fn next_code_point(bytes: &[u8]) -> Option<(u32, usize)> {
    let &first = bytes.first()?;
    let len = match first {
        0..0x80 => return Some((u32::from(first), 1)),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => return Some((0xfffd, 1)),
    };
    let Some(rest) = bytes.get(1..len) else {
        return Some((0xfffd, 1));
    };
    let lead = u32::from(first) & (0x7f >> len);
    let point = rest
        .iter()
        .fold(lead, |point, &byte| point << 6 | u32::from(byte & 0x3f));
    Some((point, len))
}

/// The WTF-8 bytes of a path, with `/` between the components.
#[cfg(windows)]
pub fn to_bytes(path: &Path) -> Vec<u8> {
    let mut bytes = path.as_os_str().as_encoded_bytes().to_vec();
    bytes
        .iter_mut()
        .filter(|byte| **byte == b'\\')
        .for_each(|byte| *byte = b'/');
    bytes
}
