//! Bytes of an output as lines of text.

/// A longer line comes in pieces of this many bytes.
pub(super) const LONGEST_LINE: usize = 16 * 1024;

/// One output, of which the last line may not have ended.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes bytes, and tells each line that ends in them, without its end.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if self.rest.last() == Some(&b'\n') {
                self.rest.pop();
                self.long(&mut line);
                line(text(&std::mem::take(&mut self.rest)));
            } else {
                self.long(&mut line);
            }
        }
    }

    /// There is no more: tells the last line, if it has not ended.
    pub(super) fn finish(&mut self, mut line: impl FnMut(String)) {
        if !self.rest.is_empty() {
            line(text(&std::mem::take(&mut self.rest)));
        }
    }

    /// Tells the pieces of a line that is too long, and leaves the last of them.
    fn long(&mut self, line: &mut impl FnMut(String)) {
        while self.rest.len() > LONGEST_LINE {
            // Not within a character, which has no more than four bytes.
            let is_start = |at: &usize| self.rest.get(*at).is_some_and(|byte| byte & 0xC0 != 0x80);
            let cut = (LONGEST_LINE - 3..=LONGEST_LINE).rev().find(is_start).unwrap_or(LONGEST_LINE);
            let rest = self.rest.split_off(cut);
            line(text(&std::mem::replace(&mut self.rest, rest)));
        }
    }
}

/// As text that every database takes: UTF-8 without NUL.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut told, mut lines) = (Vec::new(), Lines::default());
        for piece in pieces {
            lines.push(piece, |line| told.push(line));
        }
        lines.finish(|line| told.push(line));
        told
    }

    #[test]
    fn lines_are_told_when_they_end() {
        assert_eq!(lines(&[b"a\nb", b"c\n\n", b"d"]), ["a", "bc", "", "d"]);
        assert_eq!(lines(&[b"a\r\n"]), ["a\r"]);
        assert_eq!(lines(&[b"", b""]), Vec::<String>::new());
        assert_eq!(lines(&[b"\0\xff\xc3", b"\xa9\n"]), ["\u{fffd}\u{fffd}\u{e9}"]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_that_cut_no_character() {
        let long = format!("{}{}", "a".repeat(LONGEST_LINE - 1), "\u{20ac}".repeat(LONGEST_LINE));
        let told = lines(&[long.as_bytes(), b"\nb"]);
        assert!(told.iter().all(|line| line.len() <= LONGEST_LINE && !line.contains('\u{fffd}')));
        assert_eq!(told[..told.len() - 1].concat(), long);
        assert_eq!(told.last().unwrap(), "b");
        let junk = vec![0x80; 3 * LONGEST_LINE];
        assert_eq!(lines(&[&junk]).concat().chars().count(), junk.len());
    }
}
