//! Descriptors: an item in one line, `module.Class(name="value", ...)`.
