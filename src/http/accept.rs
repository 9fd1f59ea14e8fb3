//! What a caller wants to be answered in: the header `Accept` (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// How much a caller wants a content type: its weight in thousandths, how exactly it is named, and how early.
type Wish = (u16, u8, std::cmp::Reverse<usize>);

/// Whether a caller wants this content type more than another one, which is what is answered by default. Both are written
/// in small letters and without parameters.
#[must_use]
pub fn prefers(headers: &HeaderMap, wanted: &str, default: &str) -> bool {
    let ranges: Vec<(String, u16)> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(range)
        .collect();
    wish(&ranges, wanted) > wish(&ranges, default)
}

/// A range of content types with its weight; what is no weight is the greatest.
fn range(text: &str) -> (String, u16) {
    let mut parts = text.split(';');
    let range = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let weight = parts
        .filter_map(|part| part.trim().strip_prefix("q="))
        .find_map(|weight| weight.parse::<f32>().ok())
        .map_or(1000, |weight| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1000")]
            let thousandths = (weight.clamp(0.0, 1.0) * 1000.0) as u16;
            thousandths
        });
    (range, weight)
}

/// How much a content type is wanted, by the range that names it most exactly; `None` if not at all.
fn wish(ranges: &[(String, u16)], kind: &str) -> Option<Wish> {
    let any_of_sort = kind.split_once('/').map(|(sort, _)| format!("{sort}/*")).unwrap_or_default();
    let exactness = |range: &str| match range {
        range if range == kind => Some(2),
        range if range == any_of_sort => Some(1),
        "*/*" => Some(0),
        _ => None,
    };
    let named = ranges
        .iter()
        .enumerate()
        .filter_map(|(place, (range, weight))| Some((*weight, exactness(range)?, std::cmp::Reverse(place))));
    named.max_by_key(|(_, exactness, place)| (*exactness, *place)).filter(|(weight, ..)| *weight > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_chooses() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            prefers(&headers, "text/plain", "application/json")
        };
        for plain in [
            "text/plain",
            "TEXT/plain; charset=utf-8",
            "text/*",
            "text/plain, application/json",
            "text/plain, */*;q=0.1",
            "application/json;q=0.5, text/plain;q=0.6",
            "*/*, text/plain",
        ] {
            assert!(wants(plain), "{plain}");
        }
        for json in [
            "*/*",
            "application/json",
            "application/json, text/plain",
            "text/plain;q=0",
            "text/html",
            "",
            "text/plain;q=0.5, application/json",
            "text/plain;q=NaN;q=0, application/json;q=0.1",
        ] {
            assert!(!wants(json), "{json}");
        }
        assert!(!prefers(&HeaderMap::new(), "text/plain", "application/json"));
    }
}
