//! Conditions of a change: how a thing must stand for the change of it to be made.

use crate::app::{AppError, Result};

/// How a thing must stand for a change of it to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyIf {
    /// However it stands.
    Any,
    /// There is none of this name.
    Absent,
    /// There is one, whichever.
    There,
    /// It is the version that this revision made.
    Version(i64),
}

impl OnlyIf {
    /// Compares with how the thing stands: the revision of what is there, if something is. What it is called, for people:
    /// ``test `a.b` ``.
    ///
    /// # Errors
    /// [`AppError::PreconditionFailed`], which says what is there now.
    pub fn check(self, what: &str, there: Option<i64>) -> Result<()> {
        let words = match (self, there) {
            (Self::Absent, Some(revision)) => format!("there is a {what} already, of revision {revision}"),
            (Self::There | Self::Version(_), None) => format!("there is no {what}"),
            (Self::Version(wanted), Some(revision)) if wanted != revision => {
                format!("the {what} is of revision {revision} by now, not {wanted}: read it again and decide anew")
            }
            _ => return Ok(()),
        };
        Err(AppError::PreconditionFailed(words))
    }
}

#[cfg(test)]
mod tests {
    use super::OnlyIf::{self, Absent, Any, There, Version};

    #[test]
    fn what_is_there_now_is_told_to_whoever_thought_otherwise() {
        let refused = |condition: OnlyIf, there| condition.check("test `a`", there).err().map(|it| it.to_string());
        for (condition, there) in [(Any, None), (Any, Some(1)), (Absent, None), (There, Some(7)), (Version(7), Some(7))]
        {
            assert_eq!(refused(condition, there), None, "{condition:?} {there:?}");
        }
        for (condition, there, words) in [
            (Absent, Some(7), "there is a test `a` already, of revision 7"),
            (There, None, "there is no test `a`"),
            (Version(7), None, "there is no test `a`"),
            (Version(7), Some(8), "the test `a` is of revision 8 by now, not 7: read it again and decide anew"),
        ] {
            assert_eq!(refused(condition, there).as_deref(), Some(words));
        }
    }
}
