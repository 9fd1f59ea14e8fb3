//! Globs, with case: `*` takes any run of characters, `?` one, `[a-z]` one of these, `[!a-z]` one of the others.

/// Whether it has a sign of its own. Without, it takes only itself.
pub(super) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The beginning of a glob that stands for itself.
pub(super) fn literal_prefix(pattern: &str) -> &str {
    pattern.find(['*', '?', '[']).and_then(|end| pattern.get(..end)).unwrap_or(pattern)
}

/// Whether the whole text is as the pattern says. Counts the comparisons that it makes. On a mismatch it goes back to the
/// last `*` only: whatever an earlier one could take, that one can.
pub(super) fn matches(pattern: &str, text: &str, steps: &mut u64) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut last_star: Option<(&str, &str)> = None;
    loop {
        // A class is read anew each time.
        let length = if pattern.starts_with('[') { pattern.len() } else { 1 };
        *steps = steps.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if let Some(after) = pattern.strip_prefix('*') {
            last_star = Some((after, text));
            pattern = after;
            continue;
        }
        let next = first(text).filter(|_| !pattern.is_empty());
        if let Some(rest) = next.and_then(|(c, rest)| Some((one(pattern, c)?, rest))) {
            (pattern, text) = rest;
            continue;
        }
        if pattern.is_empty() && text.is_empty() {
            return true;
        }
        let Some((after, from)) = last_star else { return false };
        let Some((_, shorter)) = first(from) else { return false };
        last_star = Some((after, shorter));
        (pattern, text) = (after, shorter);
    }
}

fn first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    Some((chars.next()?, chars.as_str()))
}

/// The rest of the pattern, if what it begins with takes the character.
fn one(pattern: &str, c: char) -> Option<&str> {
    match first(pattern)? {
        ('?', rest) => Some(rest),
        ('[', rest) => match class(rest) {
            Some((class, rest)) => is_in(class, c).then_some(rest),
            // It is not closed, and stands for itself.
            None => (c == '[').then_some(rest),
        },
        (itself, rest) => (itself == c).then_some(rest),
    }
}

/// What stands between the brackets, and what after. A `]` at the beginning does not close.
fn class(after: &str) -> Option<(&str, &str)> {
    let inside = after.strip_prefix('!').unwrap_or(after);
    let skipped = inside.strip_prefix(']').unwrap_or(inside);
    let (_, rest) = skipped.split_once(']')?;
    let end = after.len().checked_sub(rest.len())?.checked_sub(1)?;
    Some((after.get(..end)?, rest))
}

fn is_in(class: &str, c: char) -> bool {
    let (mut members, is_wanted) = match class.strip_prefix('!') {
        Some(members) => (members, false),
        None => (class, true),
    };
    while let Some((low, rest)) = first(members) {
        let range = rest.strip_prefix('-').and_then(first);
        let (high, rest) = range.unwrap_or((low, rest));
        if (low..=high).contains(&c) {
            return is_wanted;
        }
        members = rest;
    }
    !is_wanted
}
