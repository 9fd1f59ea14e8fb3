//! Contexts: the properties that tests read.
