//! (tests of server)
