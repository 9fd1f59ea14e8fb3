//! Recipes: what this machine may be asked to do. A request names a recipe and never brings a command.

use std::time::Duration;

use crate::runner::RunnerError;

/// What is done for one kind of build, and the tests that its outcome has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What a build request names as its toolchain.
    pub name: String,
    /// What may be checked out: a URL or path exactly as a request writes it, or with a `/` at its end all that lies
    /// below it. Nothing else is.
    pub trees: Vec<String>,
    /// The commands that build, in order; each a program and its arguments, without a shell, in the checked-out tree.
    pub build: Vec<Vec<String>>,
    /// A command whose first line of output names the compiler: `["cc", "--version"]`. Empty: the compiler is not told.
    pub compiler: Vec<String>,
    /// The tests there are, in the order in which they run.
    pub tests: Vec<TestRecipe>,
    /// The longest time for one command.
    pub timeout: Duration,
    /// How much of one job's log, and of one test's output, is kept, in bytes.
    pub max_output_bytes: usize,
}

/// One test of a [`Recipe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRecipe {
    /// What a request asks for.
    pub name: String,
    /// A program and its arguments, without a shell, in the tree as the build left it. It prints TAP, or its exit status
    /// decides.
    pub command: Vec<String>,
}

impl Recipe {
    /// Whether the tree may be checked out.
    pub(super) fn allows(&self, tree: &str) -> bool {
        let plain = |rest: &str| {
            !rest.contains(['\\', '%', '?', '#'])
                && !rest.contains(|c: char| c.is_control() || c.is_whitespace())
                && rest.trim_end_matches('/').split('/').all(|part| !matches!(part, "" | "." | ".."))
        };
        self.trees.iter().any(|entry| match tree.strip_prefix(entry.as_str()) {
            Some(rest) if entry.ends_with('/') => plain(rest),
            rest => rest == Some(""),
        })
    }

    /// What is wrong with the recipe, in words.
    pub(super) fn fault(&self) -> Option<String> {
        let name = &self.name;
        let empty = |command: &Vec<String>| command.first().is_none_or(String::is_empty);
        if self.build.iter().any(empty) {
            Some(format!("recipe `{name}` has an empty build command: name a program"))
        } else if let Some(test) = self.tests.iter().find(|test| empty(&test.command)) {
            Some(format!("test `{}` of recipe `{name}` has an empty command: name a program", test.name))
        } else {
            let twice = repeated(self.tests.iter().map(|test| test.name.as_str()));
            twice.map(|twice| format!("recipe `{name}` has two tests `{twice}`: give each a name of its own"))
        }
    }
}

/// What is wrong with the recipes, in words.
pub(super) fn fault(recipes: &[Recipe]) -> Option<String> {
    let twice = repeated(recipes.iter().map(|recipe| recipe.name.as_str()));
    let twice = twice.map(|name| format!("there are two recipes `{name}`: give each a name of its own"));
    twice.or_else(|| recipes.iter().find_map(Recipe::fault))
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// The recipe of this name.
///
/// # Errors
/// Refused, with the names that there are.
pub(super) fn find<'r>(recipes: &'r [Recipe], name: &str) -> Result<&'r Recipe, RunnerError> {
    recipes.iter().find(|recipe| recipe.name == name).ok_or_else(|| {
        let known: Vec<&str> = recipes.iter().map(|recipe| recipe.name.as_str()).collect();
        let name: String = name.chars().take(80).collect();
        RunnerError::Refused(format!(
            "the local runner has no recipe `{name}` (a request names the recipe as its toolchain): want one of {}",
            known.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_trees_are_allowed() {
        let trees = ["https://git.example/ring", "/srv/git/", "file:///srv/"].map(str::to_owned).to_vec();
        let (timeout, max_output_bytes) = (Duration::from_secs(1), 1);
        let recipe = Recipe {
            name: "r".to_owned(),
            trees,
            build: vec![],
            compiler: vec![],
            tests: vec![],
            timeout,
            max_output_bytes,
        };
        for tree in ["https://git.example/ring", "/srv/git/a", "/srv/git/a/b.git/", "file:///srv/a"] {
            assert!(recipe.allows(tree), "{tree}");
        }
        for tree in [
            "",
            "https://git.example/ring-evil",
            "https://git.example/ring/",
            "/srv/git/",
            "/srv/git/../etc",
            "/srv/git/a/../../etc",
            "/srv/git//etc",
            "/srv/git/%2e%2e/etc",
            "/srv/git/a\n",
            "/srv/gitolite",
            "ext::sh -c id",
            "--upload-pack=id",
        ] {
            assert!(!recipe.allows(tree), "{tree}");
        }
    }
}
