//! Enums that are one word on the wire, in the logs and in the databases.

/// A word that is not in the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {what}: want one of {}", known.join(", "))]
pub struct UnknownWord {
    /// What was expected, for people.
    pub what: &'static str,
    /// What was given, cut to 80 characters.
    pub word: String,
    /// The words there are.
    pub known: Vec<&'static str>,
}

/// An enum whose variants are words. `store` and `http` teach each of these to the databases and to the API document.
pub trait Word: Copy + Sized + 'static {
    /// Every variant, in the order of its declaration.
    const ALL: &'static [Self];
    /// What the enum is, for people: `run state`.
    const WHAT: &'static str;
    /// The variant's word.
    fn as_str(self) -> &'static str;
}

/// Declares an enum of words with [`Word`], `Display`, `FromStr` and serde.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $crate::domain::words::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            const WHAT: &'static str = $what;
            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::domain::words::Word::as_str(*self))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                use $crate::domain::words::Word;
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| {
                    $crate::domain::words::UnknownWord {
                        what: Self::WHAT,
                        word: word.chars().take(80).collect(),
                        known: Self::ALL.iter().map(|known| known.as_str()).collect(),
                    }
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::domain::words::Word::as_str(*self))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use words;
