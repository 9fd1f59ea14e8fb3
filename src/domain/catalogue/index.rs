//! What is where: directories, listings, suites and what they come to.
