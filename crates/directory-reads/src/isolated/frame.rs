//! Frames: the protocol of the pipes between a caller and its worker.
//!
//! A frame is a header of 24 bytes and a payload. The header has the kind and the length of the payload (four
//! bytes each), a tag and a number (eight bytes each), all little-endian. Both sides are of one build, so there
//! is no version; bytes that do not parse end the worker.

use std::io::{self, Read, Write};

use crate::error::Stage;
use crate::native::Identity;
use crate::settings::{Filter, Layout, Settings, Tag};

/// The bytes of a header.
const HEADER: usize = 24;

/// The bytes of the settings in an [`Request::Arm`]: depth, filter, buffer size. The path follows.
const SETTINGS: usize = 12;

/// A request to the worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    Arm {
        tag: Tag,
        settings: Settings,
        /// In UTF-16 units.
        path: Vec<u16>,
    },
    Retire(Tag),
    Fence,
    Ping,
}

/// A reply of the worker: an answer, or a completion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// The directory is armed, and this is its identity.
    Armed(Identity),
    /// The directory is not armed.
    Refused(Refusal),
    Retired,
    Fenced,
    Pong,
    Changes {
        tag: Tag,
        layout: Layout,
        bytes: Vec<u8>,
    },
    Lost(Tag),
    /// The Win32 error with which a read ended.
    Failed(Tag, u32),
}

/// The reason why a worker did not arm a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// [`Stage::Open`] or [`Stage::Arm`].
    pub(crate) stage: Stage,
    /// The Win32 error.
    pub(crate) code: u32,
}

/// A frame that was read.
struct Frame {
    kind: u32,
    tag: u64,
    number: u64,
    payload: Vec<u8>,
}

fn malformed() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// Appends a frame.
fn write(to: &mut Vec<u8>, kind: u32, tag: u64, number: u64, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a payload is shorter than a buffer can be");
    to.reserve(HEADER + payload.len());
    to.extend(kind.to_le_bytes());
    to.extend(length.to_le_bytes());
    to.extend(tag.to_le_bytes());
    to.extend(number.to_le_bytes());
    to.extend_from_slice(payload);
}

/// The length of the frame at the start of the bytes, if all of it is there.
pub(crate) fn whole(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER)?;
    let length = HEADER.checked_add(word(header, 4) as usize)?;
    (bytes.len() >= length).then_some(length)
}

/// The next frame; `None` at the end of the pipe.
fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER];
    let mut filled = 0;
    while filled < HEADER {
        match from.read(&mut header[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(malformed()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u64::from(word(&header, 4));
    let mut payload = Vec::new();
    // It grows with the bytes that come, not with the length that is claimed.
    from.take(length).read_to_end(&mut payload)?;
    if payload.len() as u64 != length {
        return Err(malformed());
    }
    Ok(Some(Frame {
        kind: word(&header, 0),
        tag: long(&header, 8),
        number: long(&header, 16),
        payload,
    }))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    u32::from_le_bytes(*four.unwrap_or(&[0; 4]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

impl Request {
    /// The request as bytes. Its answer will have this number.
    pub(crate) fn encode(&self, number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Request::Arm {
                tag,
                settings,
                path,
            } => {
                let mut payload = Vec::with_capacity(SETTINGS + 2 * path.len());
                payload.extend(u32::from(settings.deep).to_le_bytes());
                payload.extend(settings.filter.0.to_le_bytes());
                payload.extend(settings.bytes.to_le_bytes());
                payload.extend(path.iter().flat_map(|unit| unit.to_le_bytes()));
                write(&mut bytes, 1, tag.0, number, &payload);
            }
            Request::Retire(tag) => write(&mut bytes, 2, tag.0, number, &[]),
            Request::Fence => write(&mut bytes, 3, 0, number, &[]),
            Request::Ping => write(&mut bytes, 4, 0, number, &[]),
        }
        bytes
    }

    /// The next request and its number; `None` at the end of the pipe.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<(Request, u64)>> {
        let Some(frame) = read(from)? else {
            return Ok(None);
        };
        let tag = Tag(frame.tag);
        let request = match frame.kind {
            1 => {
                let (settings, path) = frame
                    .payload
                    .split_at_checked(SETTINGS)
                    .ok_or_else(malformed)?;
                let units = path.as_chunks::<2>().0.iter();
                Request::Arm {
                    tag,
                    settings: Settings {
                        deep: word(settings, 0) != 0,
                        filter: Filter(word(settings, 4)),
                        bytes: word(settings, 8),
                    },
                    path: units.map(|two| u16::from_le_bytes(*two)).collect(),
                }
            }
            2 => Request::Retire(tag),
            3 => Request::Fence,
            4 => Request::Ping,
            _ => return Err(malformed()),
        };
        Ok(Some((request, frame.number)))
    }
}

/// A layout in the place of the number of a frame.
fn number_of(layout: Layout) -> u64 {
    u64::from(layout == Layout::Extended)
}

/// Writes records without copying them into a [`Reply`] first.
pub(crate) fn write_changes(
    to: &mut impl Write,
    scratch: &mut Vec<u8>,
    tag: Tag,
    (bytes, layout): (&[u8], Layout),
) -> io::Result<()> {
    scratch.clear();
    write(scratch, 16, tag.0, number_of(layout), bytes);
    to.write_all(scratch)
}

impl Reply {
    /// The reply as bytes. The number is that of the request, or 0.
    pub(crate) fn encode(&self, number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Reply::Armed(identity) => {
                let mut payload = identity.volume.to_le_bytes().to_vec();
                payload.extend(identity.file);
                write(&mut bytes, 11, 0, number, &payload);
            }
            Reply::Refused(refusal) => {
                let mut payload = u32::from(refusal.stage == Stage::Open)
                    .to_le_bytes()
                    .to_vec();
                payload.extend(refusal.code.to_le_bytes());
                write(&mut bytes, 12, 0, number, &payload);
            }
            Reply::Retired => write(&mut bytes, 13, 0, number, &[]),
            Reply::Fenced => write(&mut bytes, 14, 0, number, &[]),
            Reply::Pong => write(&mut bytes, 15, 0, number, &[]),
            Reply::Changes {
                tag,
                layout,
                bytes: records,
            } => write(&mut bytes, 16, tag.0, number_of(*layout), records),
            Reply::Lost(tag) => write(&mut bytes, 17, tag.0, 0, &[]),
            Reply::Failed(tag, code) => write(&mut bytes, 18, tag.0, u64::from(*code), &[]),
        }
        bytes
    }

    /// The next reply and its number; `None` at the end of the pipe.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<(Reply, u64)>> {
        let Some(frame) = read(from)? else {
            return Ok(None);
        };
        let (tag, payload) = (Tag(frame.tag), frame.payload);
        let reply = match frame.kind {
            11 => {
                let file = payload.get(8..).and_then(|rest| rest.first_chunk());
                Reply::Armed(Identity {
                    volume: long(&payload, 0),
                    file: *file.ok_or_else(malformed)?,
                })
            }
            12 => Reply::Refused(Refusal {
                stage: match word(&payload, 0) {
                    0 => Stage::Arm,
                    _ => Stage::Open,
                },
                code: word(&payload, 4),
            }),
            13 => Reply::Retired,
            14 => Reply::Fenced,
            15 => Reply::Pong,
            16 => Reply::Changes {
                tag,
                layout: match frame.number {
                    0 => Layout::Plain,
                    _ => Layout::Extended,
                },
                bytes: payload,
            },
            17 => Reply::Lost(tag),
            18 => Reply::Failed(tag, frame.number as u32),
            _ => return Err(malformed()),
        };
        Ok(Some((reply, frame.number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_come_back_as_they_were() {
        let requests = [
            Request::Arm {
                tag: Tag(u64::MAX),
                settings: Settings::default(),
                path: vec![0x5c, 0xd800, 0, 0x263a],
            },
            Request::Retire(Tag(7)),
            Request::Fence,
            Request::Ping,
        ];
        for request in requests {
            let bytes = request.encode(9);
            let read = Request::read(&mut bytes.as_slice()).expect("a whole frame");
            assert_eq!(read, Some((request, 9)));
            for end in 1..bytes.len() {
                assert!(Request::read(&mut &bytes[..end]).is_err());
            }
        }
        let replies = [
            Reply::Armed(Identity {
                volume: 3,
                file: [5; 16],
            }),
            Reply::Refused(Refusal {
                stage: Stage::Open,
                code: 5,
            }),
            Reply::Retired,
            Reply::Fenced,
            Reply::Pong,
            Reply::Lost(Tag(1)),
        ];
        for reply in replies {
            let bytes = reply.encode(4);
            assert_eq!(whole(&bytes), Some(bytes.len()));
            assert_eq!(whole(&bytes[..bytes.len() - 1]), None);
            let (read, _) = Reply::read(&mut bytes.as_slice()).unwrap().unwrap();
            assert_eq!(read, reply);
            for end in 1..bytes.len() {
                assert!(Reply::read(&mut &bytes[..end]).is_err());
            }
        }
    }

    #[test]
    fn noise_ends_in_an_error_and_takes_no_memory() {
        let noise = [0xff; 64];
        assert!(Reply::read(&mut noise.as_slice()).is_err());
        assert!(Request::read(&mut noise.as_slice()).is_err());
        assert_eq!(Reply::read(&mut [].as_slice()).unwrap(), None);
    }
}
