//! What was good, spoiled again and again for a bounded time and given to each parser of what callers and workspaces send:
//! none panics, none takes long, and what one has read reads back from how it is written.
//!
//! `TESTYARD_FUZZ_SECONDS` says how long each goes on, 2 where it is left out; `TESTYARD_FUZZ_SEED` begins elsewhere. With
//! one seed the inputs are always the same ones in the same order, so that a failure, which tells both, comes again.

mod documents;
mod expressions;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// How long one input may take. No good one takes a thousandth of it, not even where nothing is optimised.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many inputs are tried however little time there is, beside the good ones.
const AT_LEAST: usize = 200;

/// The longest input that is grown, in bytes.
const LONGEST: usize = 80_000;

/// Numbers that look random: `SplitMix64`.
struct Draw(u64);

impl Draw {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of the numbers below this one; 0 below none.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// A number from the environment.
fn set(name: &str, usually: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(usually, |text| text.parse().unwrap_or_else(|_| panic!("{name}: want a whole number, not `{text}`")))
}

/// A good input, spoiled a few times.
fn spoiled(draw: &mut Draw, good: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = good[draw.below(good.len())].clone();
    for _ in 0..=draw.below(5) {
        let at = draw.below(input.len() + 1);
        let length = draw.below(input.len() - at + 1).min(1 + draw.below(20));
        let word = words[draw.below(words.len())].as_bytes();
        match draw.below(9) {
            0 => drop(input.drain(at..at + length)),
            1 => input.truncate(at),
            2 => drop(input.splice(at..at, word.iter().copied())),
            3 => drop(input.splice(at..at + length, word.iter().copied())),
            4 if at < input.len() => input[at] = u8::try_from(draw.below(256)).unwrap(),
            5 => {
                let other = &good[draw.below(good.len())];
                let from = draw.below(other.len() + 1);
                drop(input.splice(at.., other[from..].iter().copied()));
            }
            6 => {
                let piece = input[at..at + length].to_vec();
                drop(input.splice(at..at, piece));
            }
            // Deep, or long.
            7 => {
                let times = [3, 60, 300, 5_000][draw.below(4)];
                drop(input.splice(at..at, word.repeat(times)));
            }
            _ => {
                let other = &good[draw.below(good.len())];
                input.extend_from_slice(word);
                input.extend_from_slice(other);
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// Gives a parser good inputs, and then spoiled ones until the time is over. `read` says whether it took the input for one
/// of its own, and panics if it took it wrongly.
fn fuzz(what: &str, good: &[Vec<u8>], words: &[&str], mut read: impl FnMut(&[u8]) -> bool) {
    let (seed, seconds) = (set("TESTYARD_FUZZ_SEED", 1), set("TESTYARD_FUZZ_SECONDS", 2));
    assert!(good.len() > 5, "{what}: too few good inputs to begin with");
    let (mut draw, begun, mut taken, mut refused) = (Draw(seed), Instant::now(), 0_usize, 0_usize);
    for case in 0.. {
        if case >= good.len() + AT_LEAST && begun.elapsed() > Duration::from_secs(seconds) {
            break;
        }
        let input = good.get(case).cloned().unwrap_or_else(|| spoiled(&mut draw, good, words));
        let since = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&input)));
        let lasted = since.elapsed();
        let told = || {
            let shown: String = String::from_utf8_lossy(&input).chars().take(2_000).collect();
            format!("{what}: TESTYARD_FUZZ_SEED={seed}, input {case} of {} bytes: {shown:?}", input.len())
        };
        match outcome {
            Ok(true) => taken += 1,
            Ok(false) => refused += 1,
            Err(panic) => {
                eprintln!("{}", told());
                resume_unwind(panic);
            }
        }
        assert!(lasted < PATIENCE, "it took {lasted:?}: {}", told());
    }
    // Else the inputs are too good or too bad to tell anything.
    assert!(taken > 20, "{what}: {taken} inputs were taken, {refused} refused");
    eprintln!("{what}: seed {seed}: {taken} inputs were taken, {refused} refused");
}

fn texts(of: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Vec<u8>> {
    of.into_iter().map(|text| text.as_ref().as_bytes().to_vec()).collect()
}

/// The member of the call of each golden case in a file of Canary's, where it is a text.
fn golden(file: &str, member: &str) -> Vec<Vec<u8>> {
    let files = crate::support::golden::files(file);
    let cases = files.iter().filter_map(|file| file["cases"].as_array()).flatten();
    texts(cases.filter_map(|case| case["call"][member].as_str()))
}

#[test]
fn one_seed_spoils_always_alike() {
    let good = texts(["a and b", "not (c)"]);
    let inputs = |seed| {
        let mut draw = Draw(seed);
        (0..500).map(|_| spoiled(&mut draw, &good, &["(", "or"])).collect::<Vec<_>>()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
    assert!(inputs(1).iter().all(|input| input.len() <= LONGEST));
}

#[test]
#[should_panic(expected = "planted")]
fn a_panic_is_found() {
    let good = texts(["abc"; 6]);
    fuzz("a planted one", &good, &["x"], |input| {
        assert!(!input.starts_with(b"x"), "planted");
        true
    });
}
