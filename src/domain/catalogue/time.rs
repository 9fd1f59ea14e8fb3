//! Points in time as QMTest writes them.
