//! What tests are expected to come to, and how results compare with that.
