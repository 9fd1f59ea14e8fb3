//! What a runner that is made of settings says and understands: templates that make requests, pointers and words that read
//! answers, and the lines that a program speaks.

pub mod program;
pub mod reading;
pub mod template;
