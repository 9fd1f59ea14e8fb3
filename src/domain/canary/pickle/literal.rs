//! The bytes of a pickle, and the literals in them.

/// The bytes, and how far they have been read.
pub(super) struct Bytes<'a> {
    bytes: &'a [u8],
    next: usize,
}

type Read<T> = Result<T, String>;

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0 }
    }

    /// Where the next byte stands.
    pub(super) fn offset(&self) -> usize {
        self.next
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.next)
    }

    pub(super) fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        let taken = rest.get(..count).ok_or_else(|| format!("it ends {} bytes too early", count - rest.len()))?;
        self.next += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| "it ends too early".to_owned())
    }

    pub(super) fn u8(&mut self) -> Read<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Read<f64> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// A length of one, four or eight bytes, and what is so long.
    pub(super) fn counted(&mut self, width: usize) -> Read<&'a [u8]> {
        let count = match width {
            1 => u64::from(self.u8()?),
            4 => u64::from(self.u32()?),
            _ => u64::from_le_bytes(self.array()?),
        };
        // More than the machine can address is more than there is.
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The rest of the line, without its end.
    pub(super) fn line(&mut self) -> Read<&'a [u8]> {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("it ends inside a line")?;
        self.next += end + 1;
        Ok(rest.get(..end).unwrap_or_default())
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Read<String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        format!(
            "a text is not UTF-8 from its byte {} on; half of a surrogate pair is no character",
            error.valid_up_to()
        )
    })?;
    Ok(text.to_owned())
}

/// Decimal digits; a final `L` does not count.
pub(super) fn decimal(line: &[u8]) -> Read<i128> {
    let line = line.strip_suffix(b"L").unwrap_or(line);
    let number = std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| "want a whole number of at most 128 bits".to_owned())
}

pub(super) fn float(line: &[u8]) -> Read<f64> {
    let number = std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| "want a floating-point number".to_owned())
}

/// The place in the memo that a line names.
pub(super) fn place(line: &[u8]) -> Read<u64> {
    let number = std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| "want a place in the memo".to_owned())
}

/// Little-endian bytes in two's complement; none are 0.
pub(super) fn long(bytes: &[u8]) -> Read<i128> {
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [fill; 16];
    let low = whole.get_mut(..bytes.len()).ok_or("want a whole number of at most 128 bits")?;
    low.copy_from_slice(bytes);
    Ok(i128::from_le_bytes(whole))
}

/// Latin-1 with the escapes `\uXXXX` and `\UXXXXXXXX`. Any other backslash is one.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Read<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        let digits = match rest.get(..2) {
            Some(b"\\u") => 4,
            Some(b"\\U") => 8,
            _ => {
                text.push(char::from(*byte));
                rest = after;
                continue;
            }
        };
        let hex = rest.get(2..digits + 2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        text.push(code.and_then(char::from_u32).ok_or("an escape in a text is no character")?);
        rest = rest.get(digits + 2..).unwrap_or_default();
    }
    Ok(text)
}
