//! Chunks: the stretches of lines that a log is stored in.
//!
//! A chunk is written once, or a few times while it is still short: what is appended to a long log never moves what is
//! there.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Length, Line, LogStream, Numbered};

/// A chunk takes no more lines once it has so many bytes of text.
pub const CHUNK_BYTES: u64 = 64 << 10;

/// Nor once it has so many lines, which may be short.
pub const CHUNK_LINES: usize = 2_000;

/// A stored chunk that has fewer bytes of text is written anew when lines are appended; another one begins a new chunk.
pub const SHORT_BYTES: u64 = 8 << 10;

/// A stretch of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The number of its first line.
    pub first_line: u64,
    /// The place of its first byte in the log's text.
    pub first_byte: u64,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A chunk as it is stored: each job's id once; a line as its time in microseconds, its job's place, its stream and its
/// text.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    #[serde(borrow)]
    jobs: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    lines: Vec<(i64, Option<usize>, u8, Cow<'a, str>)>,
}

/// The text is no chunk.
#[derive(Debug, thiserror::Error)]
pub enum BadChunk {
    /// It is no JSON, or JSON of another shape.
    #[error("a chunk of a log cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// It names what there is not.
    #[error("a chunk of a log names a {0} that there is not")]
    Unknown(&'static str),
}

const STREAMS: [LogStream; 3] = [LogStream::Stdout, LogStream::Stderr, LogStream::Note];

impl Chunk {
    /// How many bytes of text it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(Line::bytes).sum()
    }

    /// Its lines with their numbers.
    #[must_use]
    pub fn numbered(self) -> impl DoubleEndedIterator<Item = Numbered> + ExactSizeIterator {
        let first = self.first_line;
        self.lines.into_iter().enumerate().map(move |(place, line)| Numbered { number: first + count(place), line })
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(usize::try_from(self.bytes()).unwrap_or_default());
        for line in &self.lines {
            line.render(&mut text);
        }
        text
    }

    /// Its lines, to be stored.
    ///
    /// # Errors
    /// None that is known: text and numbers are JSON.
    pub fn pack(&self) -> serde_json::Result<String> {
        let mut jobs: Vec<Cow<'_, str>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut lines = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let job = line.job.as_deref().map(|job| {
                *places.entry(job).or_insert_with(|| {
                    jobs.push(Cow::Borrowed(job));
                    jobs.len() - 1
                })
            });
            let stream = match line.stream {
                LogStream::Stdout => 0,
                LogStream::Stderr => 1,
                LogStream::Note => 2,
            };
            lines.push((line.at.timestamp_micros(), job, stream, Cow::Borrowed(line.text.as_str())));
        }
        serde_json::to_string(&Packed { jobs, lines })
    }

    /// The chunk whose lines were stored as this.
    ///
    /// # Errors
    /// [`BadChunk`].
    pub fn unpack(first_line: u64, first_byte: u64, body: &str) -> Result<Self, BadChunk> {
        let Packed { jobs, lines } = serde_json::from_str(body)?;
        let lines = lines.into_iter().map(|(at, job, stream, text)| {
            let known = |place: usize| jobs.get(place).map(ToString::to_string).ok_or(BadChunk::Unknown("job"));
            Ok(Line {
                at: DateTime::<Utc>::from_timestamp_micros(at).ok_or(BadChunk::Unknown("time"))?,
                job: job.map(known).transpose()?,
                stream: STREAMS.get(usize::from(stream)).copied().ok_or(BadChunk::Unknown("stream"))?,
                text: text.into_owned(),
            })
        });
        Ok(Self { first_line, first_byte, lines: lines.collect::<Result<_, BadChunk>>()? })
    }
}

/// Lays lines into chunks that come behind a log of this length. `short` is its last chunk, if that is short: the first chunk
/// that is returned is then to be stored in its place.
#[must_use]
pub fn lay(length: Length, short: Option<Chunk>, lines: Vec<Line>) -> Vec<Chunk> {
    let mut open_bytes = short.as_ref().map_or(0, Chunk::bytes);
    let mut chunks: Vec<Chunk> = short.into_iter().collect();
    let Length { lines: mut line_at, bytes: mut byte_at, .. } = length;
    for line in lines {
        let bytes = line.bytes();
        match chunks.last_mut() {
            Some(chunk) if open_bytes < CHUNK_BYTES && chunk.lines.len() < CHUNK_LINES => {
                chunk.lines.push(line);
                open_bytes += bytes;
            }
            _ => {
                chunks.push(Chunk { first_line: line_at, first_byte: byte_at, lines: vec![line] });
                open_bytes = bytes;
            }
        }
        line_at += 1;
        byte_at += bytes;
    }
    chunks
}

fn count(place: usize) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX)
}
