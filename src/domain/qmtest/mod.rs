//! QMTest's files: its XML, and the layout of its databases.
