use super::*;
use crate::domain::log::chunk::{CHUNK_BYTES, Chunk, SHORT_BYTES, lay};

fn line(text: &str) -> Line {
    Line { at: DateTime::UNIX_EPOCH, job: None, stream: LogStream::Stdout, text: text.to_owned() }
}

const MANY: Limits = Limits { max_lines: 1_000_000, max_bytes: 1 << 30 };

#[test]
fn lines_that_are_there_are_passed_over_and_gaps_are_told() {
    let lines: Vec<Line> = ["a", "b", "c", "d"].map(line).into();
    let (length, kept) = admit(Length::default(), MANY, 0, &lines[..2]).unwrap();
    assert_eq!((length, kept.as_slice()), (Length { lines: 2, bytes: 4, dropped: 0 }, &lines[..2]));
    assert_eq!(admit(length, MANY, 0, &lines[..2]).unwrap(), (length, vec![]));
    assert_eq!(admit(length, MANY, 1, &lines[1..]).unwrap().1, lines[2..]);
    assert_eq!(admit(length, MANY, 0, &[]).unwrap(), (length, vec![]));
    let gap = Gap { first: 3, next: 2 };
    assert_eq!(admit(length, MANY, 3, &lines[3..]), Err(gap));
    assert_eq!(gap.to_string(), "lines are missing: 3 was sent, and 2 comes next");
}

#[test]
fn past_the_limits_lines_are_counted_and_a_note_says_so() {
    let lines: Vec<Line> = ["a", "bbbbb", "c", "d"].map(line).into();
    for limits in [Limits { max_lines: 1, ..MANY }, Limits { max_bytes: 7, ..MANY }] {
        let (length, kept) = admit(Length::default(), limits, 0, &lines).unwrap();
        assert_eq!((length.lines, length.dropped, length.next()), (2, 3, 4), "{limits:?}");
        assert_eq!(kept[0], lines[0]);
        assert_eq!(kept[1].stream, LogStream::Note);
        assert!(kept[1].text.contains("full") && kept[1].text.contains(&limits.max_bytes.to_string()), "{kept:?}");
        assert_eq!(length.bytes, kept.iter().map(Line::bytes).sum::<u64>());
        // `c` would fit, and comes after what did not.
        let (again, kept) = admit(length, MANY, 2, &[line("c"), line("d"), line("e")]).unwrap();
        assert_eq!((again.lines, again.dropped, again.next(), kept.len()), (2, 4, 5, 0));
        assert_eq!(admit(again, MANY, 6, &[]), Err(Gap { first: 6, next: 5 }));
    }
}

#[test]
fn a_line_is_one_line_of_bounded_length() {
    let kept = |text: &str| line(text).kept().text;
    assert_eq!(kept("a\0b\nc\r\n"), "a\u{FFFD}b␊c\r");
    assert_eq!(kept("\n"), "");
    let longest = "x".repeat(MAX_LINE_BYTES);
    assert_eq!(kept(&longest), longest);
    for longer in [longest.clone() + "x", "ä".repeat(MAX_LINE_BYTES), "\u{1F600}".repeat(MAX_LINE_BYTES)] {
        let cut = kept(&longer);
        assert!((MAX_LINE_BYTES - 4..=MAX_LINE_BYTES).contains(&cut.len()) && cut.ends_with('…'), "{}", cut.len());
        assert_eq!(line(&cut).kept().text, cut, "what is kept is kept as it is");
    }
    let at = DateTime::from_timestamp_nanos(1_999);
    assert_eq!(Line { at, ..line("") }.kept().at, DateTime::from_timestamp_micros(1).unwrap());
}

#[test]
fn notes_are_comments_of_the_text() {
    let mut text = String::new();
    let lines =
        [line("a"), Line { stream: LogStream::Note, ..line("b") }, Line { stream: LogStream::Stderr, ..line("") }];
    for line in &lines {
        line.render(&mut text);
    }
    assert_eq!(text, "a\n# b\n\n");
    assert_eq!(lines.iter().map(Line::bytes).sum::<u64>(), 7);
}

#[test]
fn a_chunk_is_read_as_it_was_stored() {
    let of = |job: Option<&str>, stream, at| Line {
        at: DateTime::from_timestamp_micros(at).unwrap(),
        job: job.map(str::to_owned),
        stream,
        text: format!("\"\\\u{1}\u{1F600}{at}"),
    };
    let lines = vec![
        of(Some("a"), LogStream::Stdout, 1),
        of(Some("b"), LogStream::Stderr, -1),
        of(None, LogStream::Note, i64::from(u32::MAX)),
        of(Some("a"), LogStream::Stdout, 1_767_323_045_123_456),
    ];
    let chunk = Chunk { first_line: 7, first_byte: 70, lines };
    let body = chunk.pack().unwrap();
    assert_eq!(Chunk::unpack(7, 70, &body).unwrap(), chunk);
    assert_eq!(body.matches("\"a\"").count(), 1);
    assert_eq!(chunk.numbered().map(|line| line.number).collect::<Vec<_>>(), [7, 8, 9, 10]);
    for bad in ["", "[]", r#"{"jobs":[],"lines":[[0,0,0,""]]}"#, r#"{"jobs":[],"lines":[[0,null,3,""]]}"#] {
        assert!(Chunk::unpack(0, 0, bad).is_err(), "{bad}");
    }
}

#[test]
fn chunks_are_long_and_only_a_short_one_is_written_again() {
    let text = "x".repeat(1_023);
    let full = lay(Length::default(), None, vec![line(&text); 200]);
    assert_eq!(full.iter().map(|chunk| chunk.lines.len()).collect::<Vec<_>>(), [64, 64, 64, 8]);
    assert!(full[..3].iter().all(|chunk| chunk.bytes() >= CHUNK_BYTES));
    assert_eq!((full[3].first_line, full[3].first_byte), (192, 192 * 1_024));
    // One line after the other.
    let (mut length, mut stored): (Length, Vec<Chunk>) = Default::default();
    for _ in 0..200 {
        let last = stored.pop_if(|last| last.bytes() < SHORT_BYTES);
        stored.extend(lay(length, last, vec![line(&text)]));
        length.keep(&line(&text));
    }
    assert_eq!(stored.len(), 25);
    let longest = lay(length, None, vec![line(&"x".repeat(MAX_LINE_BYTES)); 3]);
    assert_eq!(longest.len(), 3);
    let empty = lay(length, None, vec![line(""); 5_000]);
    assert_eq!(empty.iter().map(|chunk| chunk.lines.len()).collect::<Vec<_>>(), [2_000, 2_000, 1_000]);
}

#[test]
fn the_end_of_a_text_begins_with_a_line() {
    for (text, most, end) in [
        ("one\ntwo\n", 8, "one\ntwo\n"),
        ("one\ntwo\n", 7, "two\n"),
        ("one\ntwo\n", 4, "two\n"),
        ("one\ntwo\n", 3, "wo\n"),
        ("ä\u{1F600}ö", 2, "\u{1F600}ö"),
        ("x", 0, ""),
        ("", 3, ""),
    ] {
        assert_eq!(tail(text, most), end, "{text:?} {most}");
    }
}
