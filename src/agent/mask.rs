//! Secrets in what a job prints: each is replaced by `***` before anything is kept or sent, also where it comes in two pieces.

/// What stands in a secret's place.
const MASK: &[u8] = b"***";

/// A shorter value would black out half of every log, and who knows it knows little.
const SHORTEST: usize = 4;

/// The shortest line of a secret of several lines that is a secret by itself.
const SHORTEST_LINE: usize = 8;

/// The secrets of a lease.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Secrets {
    /// Each once, none empty.
    values: Vec<Vec<u8>>,
    /// Whether any begins with this byte.
    begins: Vec<bool>,
}

/// Shows how many, and never one.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

impl Secrets {
    /// These values, but for those that are shorter than four bytes. Of one with several lines each longer line is one too:
    /// programs print such values line by line. White space around a value does not belong to it.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets = Self { values: Vec::new(), begins: vec![false; 256] };
        for value in values {
            let value = value.trim();
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
            for secret in std::iter::once(value).filter(|value| value.len() >= SHORTEST).chain(lines) {
                secrets.add(secret.as_bytes());
            }
        }
        secrets
    }

    fn add(&mut self, secret: &[u8]) {
        if self.values.iter().all(|known| known != secret) {
            if let Some(begins) = secret.first().and_then(|first| self.begins.get_mut(usize::from(*first))) {
                *begins = true;
            }
            self.values.push(secret.to_vec());
        }
    }

    /// A whole text without them.
    pub(super) fn mask(&self, text: &str) -> String {
        let mut stream = Stream::default();
        let mut masked = Vec::new();
        stream.push(self, text.as_bytes(), &mut masked);
        stream.finish(self, &mut masked);
        String::from_utf8_lossy(&masked).into_owned()
    }

    fn may_begin_with(&self, byte: u8) -> bool {
        self.begins.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// How many bytes from the start of this are a secret: the longest that is there.
    fn at_start_of(&self, bytes: &[u8]) -> usize {
        let found = self.values.iter().filter(|secret| bytes.starts_with(secret));
        found.map(Vec::len).max().unwrap_or(0)
    }

    /// Whether more bytes could make these the start of a secret.
    fn may_become_of(&self, bytes: &[u8]) -> bool {
        self.values.iter().any(|secret| secret.len() > bytes.len() && secret.starts_with(bytes))
    }
}

/// One output on its way through the masking. It holds back what may be the start of a secret until more is known.
#[derive(Debug, Default)]
pub(super) struct Stream {
    held: Vec<u8>,
    /// How many bytes at the start of `held` belong to a secret that has begun before.
    covered: usize,
    /// Whether the byte that went out last stands for a secret: what overlaps with it is the same mask.
    open: bool,
}

impl Stream {
    /// Takes bytes; gives out what is sure.
    pub(super) fn push(&mut self, secrets: &Secrets, bytes: &[u8], out: &mut Vec<u8>) {
        if secrets.values.is_empty() {
            out.extend_from_slice(bytes);
        } else {
            self.held.extend_from_slice(bytes);
            self.advance(secrets, false, out);
        }
    }

    /// There is no more: gives out the rest.
    pub(super) fn finish(&mut self, secrets: &Secrets, out: &mut Vec<u8>) {
        self.advance(secrets, true, out);
    }

    fn advance(&mut self, secrets: &Secrets, is_all: bool, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        let (mut covered, mut at) = (self.covered, 0);
        while let Some(byte) = held.get(at).copied() {
            if secrets.may_begin_with(byte) {
                let rest = held.get(at..).unwrap_or_default();
                if !is_all && secrets.may_become_of(rest) {
                    break;
                }
                covered = covered.max(at + secrets.at_start_of(rest));
            }
            self.give(byte, at < covered, out);
            at += 1;
        }
        self.covered = covered.saturating_sub(at);
        held.drain(..at);
        self.held = held;
    }

    fn give(&mut self, byte: u8, is_secret: bool, out: &mut Vec<u8>) {
        if !is_secret {
            out.push(byte);
        } else if !self.open {
            out.extend_from_slice(MASK);
        }
        self.open = is_secret;
    }
}

#[cfg(test)]
mod tests;
