//! A log does not depend on how its lines were sent, and every way to read a part of it agrees with the whole.

use std::ops::Range;

use proptest::prelude::*;

use super::chunk::{Chunk, SHORT_BYTES, lay};
use super::*;

/// A log as it is stored.
#[derive(Debug, Default)]
struct Stored {
    length: Length,
    chunks: Vec<(u64, u64, String)>,
}

impl Stored {
    fn append(&mut self, limits: Limits, first: u64, lines: &[Line]) -> Result<u64, Gap> {
        let (length, kept) = admit(self.length, limits, first, lines)?;
        let is_short = |(_, first_byte, _): &mut (u64, u64, String)| self.length.bytes - *first_byte < SHORT_BYTES;
        let short = self.chunks.pop_if(is_short).map(|(line, byte, body)| Chunk::unpack(line, byte, &body).unwrap());
        let chunks = lay(self.length, short, kept);
        self.chunks.extend(chunks.iter().map(|it| (it.first_line, it.first_byte, it.pack().unwrap())));
        self.length = length;
        Ok(length.next())
    }

    fn chunks(&self) -> impl Iterator<Item = Chunk> {
        self.chunks.iter().map(|(line, byte, body)| Chunk::unpack(*line, *byte, body).unwrap())
    }

    fn lines(&self) -> Vec<Numbered> {
        self.chunks().flat_map(Chunk::numbered).collect()
    }

    fn text(&self) -> String {
        self.chunks().map(|chunk| chunk.text()).collect()
    }
}

fn line() -> impl Strategy<Value = Line> {
    let text = prop_oneof![
        8 => "[a-z\\x00\\n#ä😀\"\\\\]{0,12}".prop_map(|text| text),
        1 => (0_usize..9_000).prop_map(|length| "x".repeat(length)),
        1 => (65_000_usize..66_000).prop_map(|length| "ä".repeat(length / 2)),
    ];
    let job = proptest::option::of("[ab]");
    let stream = proptest::sample::select(vec![LogStream::Stdout, LogStream::Stderr, LogStream::Note]);
    (0_i64..2_000_000_000, job, stream, text).prop_map(|(nanos, job, stream, text)| Line {
        at: DateTime::from_timestamp_nanos(nanos),
        job,
        stream,
        text,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_interleaving_of_appends_makes_the_same_log(
        lines in proptest::collection::vec(line(), 0..60),
        sent in proptest::collection::vec((0_usize..70, 0_usize..70), 0..60),
        max_lines in 1_u64..80,
        max_bytes in prop_oneof![1_u64..200, 1_000_u64..300_000],
    ) {
        let limits = Limits { max_lines, max_bytes };
        let mut whole = Stored::default();
        whole.append(limits, 0, &lines).unwrap();
        let mut pieces = Stored::default();
        for (first, count) in sent {
            let first = first.min(lines.len());
            let some = &lines[first..(first + count).min(lines.len())];
            let (before, first) = (pieces.length, u64::try_from(first).unwrap());
            match pieces.append(limits, first, some) {
                Ok(next) => {
                    prop_assert!(first <= before.next());
                    prop_assert_eq!(next, before.next().max(first + u64::try_from(some.len()).unwrap()));
                }
                Err(gap) => {
                    prop_assert_eq!(gap, Gap { first, next: before.next() });
                    prop_assert!(first > before.next());
                    prop_assert_eq!(pieces.length, before);
                }
            }
        }
        // Whoever sends what is missing, from whichever place that is there, ends with the same.
        let from = usize::try_from(pieces.length.next()).unwrap() / 2;
        pieces.append(limits, u64::try_from(from).unwrap(), &lines[from..]).unwrap();
        prop_assert_eq!(pieces.length, whole.length);
        prop_assert_eq!(pieces.lines(), whole.lines());
        prop_assert_eq!(pieces.text(), whole.text());
        prop_assert_eq!(whole.length.next(), u64::try_from(lines.len()).unwrap());
        prop_assert_eq!(whole.length.lines, u64::try_from(whole.lines().len()).unwrap());
        prop_assert_eq!(whole.length.bytes, u64::try_from(whole.text().len()).unwrap());
        prop_assert_eq!(whole.text().lines().count(), whole.lines().len());
        prop_assert!(whole.length.lines <= max_lines + 1);
        let kept = whole.length.lines - u64::from(whole.length.dropped > 0);
        for (numbered, sent) in whole.lines().iter().zip(&lines).take(usize::try_from(kept).unwrap()) {
            prop_assert_eq!(&numbered.line, &sent.kept());
        }
    }

    #[test]
    fn chunks_know_their_place(lines in proptest::collection::vec(line(), 1..60), sizes in proptest::collection::vec(1_usize..9, 1..60)) {
        let limits = Limits { max_lines: 1_000, max_bytes: 1 << 30 };
        let (mut stored, mut at) = (Stored::default(), 0);
        for size in sizes.into_iter().chain([lines.len()]) {
            let some: Range<usize> = at..(at + size).min(lines.len());
            stored.append(limits, u64::try_from(at).unwrap(), &lines[some.clone()]).unwrap();
            at = some.end;
        }
        let text = stored.text();
        let (mut line, mut byte) = (0, 0);
        for chunk in stored.chunks() {
            prop_assert_eq!((chunk.first_line, chunk.first_byte), (line, byte));
            let (from, to) = (usize::try_from(byte).unwrap(), usize::try_from(byte + chunk.bytes()).unwrap());
            prop_assert_eq!(chunk.text(), &text[from..to]);
            line += u64::try_from(chunk.lines.len()).unwrap();
            byte += chunk.bytes();
        }
        prop_assert_eq!((line, byte), (stored.length.lines, stored.length.bytes));
    }

    #[test]
    fn a_tail_is_the_end_of_its_text(text in "[a-c\\nä]{0,40}", most in 0_usize..50) {
        let end = tail(&text, most);
        prop_assert!(text.ends_with(end));
        prop_assert!(end.chars().count() <= most);
        prop_assert!(text.chars().count() > most || end == text);
    }
}
