//! (tests of create)
