//! Artifacts: files that a run leaves behind, by the job that made them and their path.

/// How many bytes a path has at most.
pub const MAX_PATH: usize = 1_000;

/// How many folders deep a path goes at most.
const MAX_DEPTH: usize = 50;

/// Says what is wrong with the path of an artifact: want a relative one, of whole names that are joined by `/`.
///
/// # Errors
/// In words.
pub fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() || path.len() > MAX_PATH {
        return Err(format!("the path of an artifact has {} bytes: want 1 to {MAX_PATH}", path.len()));
    }
    if path.starts_with('/') {
        return Err("the path of an artifact begins with `/`: want it relative to the job's folder".to_owned());
    }
    if let Some(wrong) = path.chars().find(|letter| letter.is_control() || *letter == '\\') {
        return Err(format!("the path of an artifact holds {wrong:?}: want names that are joined by `/`"));
    }
    if path.split('/').count() > MAX_DEPTH {
        return Err(format!("the path of an artifact is more than {MAX_DEPTH} names deep"));
    }
    match path.split('/').find(|name| matches!(*name, "" | "." | "..")) {
        Some("") => Err("the path of an artifact holds an empty name".to_owned()),
        Some(wrong) => Err(format!("the path of an artifact holds the name `{wrong}`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_folder() {
        for good in ["a", "a/b.txt", "logs/ä b/..c", ".hidden", "a/...", "-", "C:x"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        let (long, deep) = ("x".repeat(MAX_PATH + 1), vec!["a"; MAX_DEPTH + 1].join("/"));
        for bad in
            ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a\\b", "a\0b", "a\nb", &long, &deep]
        {
            let words = check_path(bad).unwrap_err();
            assert!(words.starts_with("the path of an artifact "), "{bad}: {words}");
        }
        assert_eq!(check_path(&long[1..]), Ok(()));
        assert_eq!(check_path(&deep[2..]), Ok(()));
    }
}
