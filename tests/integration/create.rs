//! Making models from files and from other models.

mod conversion;
mod files;
mod inheritance;
mod making;
mod recipe;
mod todays;
