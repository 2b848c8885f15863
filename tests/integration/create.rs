//! Making models from files and from other models.

mod files;
mod inheritance;
mod making;
